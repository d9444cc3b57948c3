"""Reports: what happened in a shift, or around one alert, as one HTML file that needs nothing else to be read."""

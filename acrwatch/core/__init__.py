"""Words the whole project shares: errors, time, configuration, values. Imports nothing of ours."""

"""Reading Log Analytics workspaces: to bring history, or where there is no hub. See ingest.sources.loganalytics."""

"""Audit-log analytics and alerting for Azure Container Registry. The only import name users need."""

__version__ = "0.1.0"

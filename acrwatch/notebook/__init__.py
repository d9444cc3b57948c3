"""The notebook API: a lake, and the alerts about it, as DataFrames. Start with `acrwatch.open`.

Importing this package registers the accessor `df.acr`. Everything here only reads.
"""

from acrwatch.notebook.alert import Alert
from acrwatch.notebook.client import Client
from acrwatch.notebook.opening import open  # noqa: A004 - it is acrwatch.open
from acrwatch.notebook.rule import Rule
from acrwatch.notebook.warning import BlindWarning, TruncatedWarning, UnknownRegistryWarning

__all__ = ["Alert", "BlindWarning", "Client", "Rule", "TruncatedWarning", "UnknownRegistryWarning", "open"]

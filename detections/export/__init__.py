"""Rules as queries of other systems: KQL for Log Analytics and Sentinel, SPL for Splunk, ES|QL for Elasticsearch.

A rule is exported where the query finds what the rule finds, and refused with the reason where it would not: what a
language cannot say (sliding windows in ES|QL), or says otherwise (regular expressions), is never approximated.
Placeholders are replaced by what is configured at that moment. No such server was ever asked; the queries follow the
languages' documentation.
"""

from collections.abc import Mapping
from typing import Final

from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from detections.compile import UnsupportedError
from detections.context import Context
from detections.export.esql import Esql
from detections.export.kql import Kql
from detections.export.language import Language
from detections.export.spl import Spl

FORMATS: Final[Mapping[str, type[Language]]] = {"kql": Kql, "spl": Spl, "esql": Esql}


def export(document: SigmaRule | SigmaCorrelationRule, name: str, context: Context) -> str:
    """Return a rule as a query of the format `name`. Raises UnsupportedError with the reason where that is none."""
    try:
        return FORMATS[name](context).query(document)
    except (SigmaError, NotImplementedError) as error:
        raise UnsupportedError(str(error)) from error

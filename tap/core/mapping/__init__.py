"""The declarative dialect: a TOML file that says how a server's frames read, and its compiled form.

The language is small: ``when`` (fields match) → ``emit`` (an observation) with fields, each a list of alternative
paths. The built-in ``multicam/1`` is such a file, and an example; ``docs/dialects.md`` is its page.

    values      single values: ids, times, flags            paths      where in a frame something is
    language    what can be emitted, and its fields         fields     fields and rules, compiled
    shapes      cameras, sessions, holds                    dialect    the compiled form, which reads frames
    compiler    from the file's text to that                telemetry  what need not be read at all
    wraps       what is around the objects              again      parts that need not be read again
    numbering   what a server's numbers count
"""

from tap.core.mapping.compiler import parse_mapping
from tap.core.mapping.dialect import Dialect, Reading, SeqOrders, Verdict
from tap.core.mapping.telemetry import Sniff

__all__ = ["Dialect", "Reading", "SeqOrders", "Sniff", "Verdict", "parse_mapping"]

"""The filter language of listings, frames, panels, magics and plans.

    os=ubuntu release=noble,jammy public=yes size>1GiB age>90d alias=web-* web

An image must match every term. A term is a field, one of `= != < <= > >=` and a value, or a bare word that is
looked for in aliases, fingerprint and description. Commas separate alternatives, `*` and `?` are wildcards,
case does not matter, and an empty value means "has none". Quotes protect spaces, commas, wildcards and
operators. Fields are the attributes of an image and any property, written as its name or as
`properties.NAME`; an attribute takes precedence over a property of the same name.

Values come from servers and are not trusted: nothing is evaluated, and matching takes linear time.
"""

from __future__ import annotations

from lxdimg_nb.filters.fields import COMMON_PROPERTIES, FIELDS, Filterable
from lxdimg_nb.filters.parsing import closest_match, parse
from lxdimg_nb.filters.terms import Filter, Term

__all__ = ["COMMON_PROPERTIES", "FIELDS", "Filter", "Filterable", "Term", "closest_match", "parse"]

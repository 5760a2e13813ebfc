"""The one filter language, for listings, frames, panels, magics and plans alike.

    os=ubuntu release=noble,jammy public=yes size>1GiB age>90d alias=web-* web

Terms are joined by "and". A term is a field, one of `= != < <= > >=` and a value, or a bare word that is
looked for in aliases, fingerprint and description. Commas separate alternatives, `*` and `?` are globs,
upper and lower case are the same, an empty value means "there is none". Quotes protect spaces, commas,
globs and operators. Fields are the image's attributes and any property, by its name or as
`properties.NAME`; an attribute wins over a property of its name.

Values come from servers and are hostile: nothing is evaluated, and a pattern costs linear time.
"""

from __future__ import annotations

from lxdimg_nb.filters.fields import ARCHITECTURES, COMMON_PROPERTIES, FIELDS, Filterable
from lxdimg_nb.filters.parsing import closest_match, parse
from lxdimg_nb.filters.terms import Filter, Term

__all__ = ["ARCHITECTURES", "COMMON_PROPERTIES", "FIELDS", "Filter", "Filterable", "Term", "closest_match", "parse"]

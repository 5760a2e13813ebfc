"""The look of tables in HTML: one stylesheet, which styles nothing outside of them.

JupyterLab aligns all cells to the right and breaks words of narrow columns; each selector repeats the class to come
before its rules, in whatever order they are loaded. Colours are those of the theme of JupyterLab or VS Code, or
of the page.
"""

from __future__ import annotations

__all__ = ["CLASS", "NO_MATH", "STYLE"]

CLASS = "lxdimg"
NO_MATH = "mathjax_ignore tex2jax_ignore"
"""Jupyter typesets what is between dollar signs as a formula, also links in it; here it is a server's text."""
_SCOPE = f".{CLASS}" * 3
_TEXT = "var(--jp-content-font-color1,var(--vscode-editor-foreground,{}))"
_FAINT = "var(--jp-content-font-color2,var(--vscode-descriptionForeground,inherit))"
_PAGE = "var(--jp-layout-color0,var(--vscode-editor-background,Canvas))"
_LINE = "var(--jp-border-color2,rgba(128,128,128,.35))"
# Of Okabe and Ito's palette, which colour-blind people tell apart, those that are seen on white and on black.
_TONES = {
    "good": ("#009e73", "✓"),
    "bad": ("#d55e00", "✕"),
    "warn": ("#d98200", "!"),
    "info": ("#3d8fc9", "●"),
}
_RULES = (
    ("", f"color:{_TEXT.format('inherit')};font-size:var(--jp-code-font-size,13px);line-height:1.45;max-width:100%"),
    # A table has its own scroll bars: only then can its header stay in sight.
    (">div", "max-width:100%;max-height:min(80em,90vh);overflow:auto"),
    ("table", "border-collapse:separate;border-spacing:0;table-layout:auto;margin:0;width:auto;font-size:inherit"),
    ("tr,tbody tr:nth-child(n)", "background:none;padding:0"),
    ("tbody tr:hover", "background:var(--jp-layout-color2,rgba(128,128,128,.12))"),
    (
        "th,td",
        f"text-align:left;vertical-align:top;padding:3px 14px 3px 0;line-height:1.45;white-space:nowrap;"
        f"color:inherit;border-bottom:1px solid {_LINE}",
    ),
    ("th", "font-weight:600"),
    ("tbody th", f"color:{_FAINT}"),
    (
        "thead th",
        f"position:sticky;top:0;z-index:1;vertical-align:bottom;background:{_PAGE};color:{_TEXT.format('CanvasText')}",
    ),
    (".n", "text-align:right;font-variant-numeric:tabular-nums"),
    ("td.f", "font-family:var(--jp-code-font-family,monospace)"),
    # A column of longer texts is neither squeezed to a word a line nor wider than one likes to read.
    (".w", "white-space:normal;overflow-wrap:anywhere;min-width:16em;max-width:28em"),
    (".p", "white-space:normal;overflow-wrap:anywhere;min-width:16em;max-width:44em"),
    ("b", "font-weight:600;white-space:nowrap;border:1px solid;border-radius:9px;padding:0 7px 0 5px"),
    ("b::before", "margin-right:4px;font-weight:700"),
    *((f"b.{tone}", f"border-color:{colour}") for tone, (colour, _) in _TONES.items()),
    *((f"b.{tone}::before", f'content:"{sign}";color:{colour}') for tone, (colour, sign) in _TONES.items()),
    # What is as it should be only has its sign.
    ("b.good", "border:0;padding:0;font-weight:inherit"),
    ("i", f"font-style:normal;color:{_FAINT}"),
    ("p", f"color:{_FAINT};margin:4px 0;max-width:70em"),
    ("p.t", "color:inherit;font-weight:600;margin:0 0 4px"),
)
_PRINT = (
    (">div", "max-height:none;overflow:visible"),
    ("table", "font-size:7pt"),
    ("thead th", "position:static"),
    ("tr", "break-inside:avoid"),
    # Words stay whole; lines of a few words make room.
    ("th,td", "white-space:normal;padding:2px 7px 2px 0"),
    (".n,.f", "white-space:nowrap"),
    (".w,.p", "min-width:9em"),
)


def _sheet(rules: tuple[tuple[str, str], ...]) -> str:
    made = []
    for selectors, declarations in rules:
        scoped = (f"{_SCOPE}{'' if s.startswith('>') or not s else ' '}{s}" for s in selectors.split(","))
        made.append(f"{','.join(scoped)}{{{declarations}}}")
    return "".join(made)


STYLE = f"<style>{_sheet(_RULES)}@media print{{{_sheet(_PRINT)}}}</style>"

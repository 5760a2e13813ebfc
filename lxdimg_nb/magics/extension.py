"""The IPython extension: `%load_ext` adds the magic, a completion matcher and a hook; `%unload_ext` removes them."""

from __future__ import annotations

import ast
import sys
from collections import ChainMap
from collections.abc import Mapping
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope, no_var_expand
from traitlets import Bool, Unicode, observe

from lxdimg_nb.client.project import changes_noted
from lxdimg_nb.errors import LxdImageError
from lxdimg_nb.magics.line.completion import Completion
from lxdimg_nb.magics.line.words import silenced, split
from lxdimg_nb.magics.session.messages import echo, format_error, stopped
from lxdimg_nb.magics.session.session import Invocation, Session
from lxdimg_nb.magics.verbs.root import LXDIMG, run
from lxdimg_nb.text.formats import plural


class _Variables(ChainMap[str, Any]):
    """The variables of the user, which a verbose traceback does not show once more."""

    def __repr__(self) -> str:
        return "<the variables of the user>"


@magics_class
class LxdimgMagics(Magics):
    """The magic `%lxdimg`. Its only state is the connected server."""

    shell: Any
    remote = Unicode("", help="The server that %lxdimg uses: a remote, a URL or the path of a socket.").tag(config=True)
    debug = Bool(False, help="Show tracebacks instead of one-line errors.").tag(config=True)

    def __init__(self, shell: Any) -> None:
        self._setting_remote = False
        self._session: Session | None = None
        super().__init__(shell=shell)
        self._session = Session(shell, self._connected)
        if self.remote:
            self._session.connect_lazily(self.remote)

    @property
    def session(self) -> Session:
        """The state between lines."""
        assert self._session is not None
        return self._session

    def _connected(self, where: str) -> None:
        self._setting_remote = True
        try:
            self.remote = where
        finally:
            self._setting_remote = False

    @observe("remote")
    def _remote_set(self, change: Mapping[str, Any]) -> None:
        if self._session is not None and not self._setting_remote:
            self._session.connect_lazily(str(change["new"]))

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def lxdimg(self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> Any:
        """Images of LXD and Incus: `%lxdimg` shows the connection, `%lxdimg help` lists all verbs."""
        with changes_noted() as changes:
            try:
                variables, local_ns = _Variables(dict(local_ns or {}), self.shell.user_ns), None
                result = self._run(line, cell, variables)
                return None if silenced(line) and self._is_statement(line) else result
            except LxdImageError as error:
                if self.debug:
                    raise
                # IPython shows a UsageError on one line, but not its subclasses.
                raise UsageError(format_error(error)) from error
            except KeyboardInterrupt as error:
                if self.debug:
                    raise
                raise UsageError(format_error(error, stopped(error, changes))) from error

    def _is_statement(self, line: str) -> bool:
        """Whether the line is a statement of the running cell, so that its result would only be displayed.

        IPython itself misses the semicolon, which is inside an argument in the transformed cell.
        """
        try:
            cell = ast.parse(self.shell.history_manager.input_hist_parsed[-1])
        except (SyntaxError, IndexError):
            return False
        ours = [n for n in ast.walk(cell) if isinstance(n, ast.Call) and _magic_line(n) == line]
        return bool(ours) and {id(n) for n in ours} <= {id(n.value) for n in ast.walk(cell) if isinstance(n, ast.Expr)}

    def _run(self, line: str, cell: str | None, variables: Mapping[str, Any]) -> Any:
        invocation = Invocation(self.session, body=cell)
        result = run(split(line, variables), invocation)
        name = invocation.result_name
        if name is None:
            return result
        self.shell.user_ns[name] = result
        echo(f"{name} = {_summarize(result)}")
        return None


def _magic_line(call: ast.Call) -> str | None:
    """The line in a call `get_ipython().run_line_magic('lxdimg', 'line')`, to which IPython transforms a magic."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    words = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    if name in ("run_line_magic", "run_cell_magic") and len(words) > 1 and words[0] == "lxdimg":
        return str(words[1])
    return None


def _summarize(result: Any) -> str:
    shape = getattr(result, "shape", None)
    if isinstance(shape, tuple) and len(shape) == 2:
        return f"a frame of {plural(shape[0], 'row')}"
    if isinstance(result, str) and "\n" in result:
        return f"a text of {plural(len(result.splitlines()), 'line')}"
    summary = getattr(result, "summary", None)
    if isinstance(summary, str):
        return summary
    return repr(result) if len(repr(result)) < 200 else type(result).__name__


def _keep_cause(result: Any) -> None:
    """Make `%tb` show the cause of a one-line error, instead of the same line again."""
    error = getattr(result, "error_in_exec", None)
    cause = error.__cause__ if isinstance(error, UsageError) else None
    if isinstance(cause, LxdImageError | KeyboardInterrupt):
        sys.last_type, sys.last_value, sys.last_traceback = type(cause), cause, cause.__traceback__


def load(ipython: Any) -> None:
    """Add `%lxdimg` to a shell."""
    magics = LxdimgMagics(ipython)
    ipython.register_magics(magics)
    ipython.Completer.custom_matchers.append(Completion(LXDIMG, magics.session).matcher)
    ipython.events.register("post_run_cell", _keep_cause)


def unload(ipython: Any) -> None:
    """Remove everything that `load` added, and close what was opened."""
    manager = ipython.magics_manager
    magics = manager.registry.pop("LxdimgMagics", None)
    for kind in ("line", "cell"):
        manager.magics[kind].pop("lxdimg", None)
    matchers = ipython.Completer.custom_matchers
    matchers[:] = [m for m in matchers if not isinstance(getattr(m, "__self__", None), Completion)]
    if _keep_cause in ipython.events.callbacks["post_run_cell"]:
        ipython.events.unregister("post_run_cell", _keep_cause)
    if magics is not None:
        if magics in ipython.configurables:
            ipython.configurables.remove(magics)
        magics.session.close()

"""Verbs as click commands in groups, with the options that every verb takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.line.server_types import PROJECT
from lxdimg_nb.magics.line.types import RESULT_NAME, TEXT, WordType, completion
from lxdimg_nb.magics.line.words import Word
from lxdimg_nb.magics.session.messages import suggest

_F = TypeVar("_F", bound=Callable[..., Any])

# As in lxc and incus.
_SHORT_VERBS = {"ls": "list", "cp": "copy", "rm": "delete", "mv": "rename"}
# Verbs of other tools, for suggestions.
_OTHER_TOOLS = {
    "remove": "delete",
    "get": "get-property",
    "upload": "import",
    "download": "export",
    "df": "list",
    "login": "connect",
    "remote": "remotes",
    "image": "list",
    "update": "refresh",
    "public": "set",
    "private": "set",
    "auto-update": "set",
    "prune": "plan",
    "search": "list",
    "push": "copy",
    "pull": "copy",
}


class HelpRequested(click.exceptions.Exit):
    """Raised when `--help` follows a command; ends the parsing of the line."""

    def __init__(self, command: click.Command) -> None:
        super().__init__()
        self.command = command


class Option(click.Option):
    """An option. Options are parsed before arguments, because --project says where images are looked up.

    Args:
        repeatable: the option may be given several times and is a tuple; otherwise giving it twice is an error.
        on_invocation: set as an attribute of the `Invocation` instead of passed to the function of the verb.
    """

    def __init__(
        self, names: Sequence[str], *, repeatable: bool = False, on_invocation: bool = False, **attrs: Any
    ) -> None:
        self.repeatable, self.on_invocation = repeatable, on_invocation
        attrs["multiple"] = not attrs.get("is_flag", False)
        attrs.setdefault("callback", self._checked)
        super().__init__(names, is_eager=True, expose_value=not on_invocation, **attrs)

    def _checked(self, ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if self.multiple and not self.repeatable:
            if len(value) > 1:
                raise InvalidRequestError(f"{self.opts[-1]} is given twice")
            value = value[0] if value else None
        if self.on_invocation and value:
            setattr(ctx.obj, str(self.name), value)
        return value


def option(*names: str, type: WordType = TEXT, **attrs: Any) -> Callable[[_F], _F]:
    """Declare an option with a value; see `Option`."""
    return click.option(*names, cls=Option, type=type, **attrs)


def flag(*names: str, **attrs: Any) -> Callable[[_F], _F]:
    """Declare an option without a value."""
    return click.option(*names, cls=Option, is_flag=True, **attrs)


def argument(
    name: str, metavar: str, type: WordType, *, required: bool = True, many: bool = False, callback: Any = None
) -> Callable[[_F], _F]:
    """Declare a positional argument; with `many`, all remaining words as a tuple."""
    nargs = -1 if many else 1
    return click.argument(name, metavar=metavar, type=type, required=required, nargs=nargs, callback=callback)


def _request_help(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        raise HelpRequested(ctx.command)


_RESULT_HELP = "store the result in this variable instead of showing it"
_COMMON = (
    Option(["--project"], type=PROJECT, metavar="PROJECT", help="in this project", on_invocation=True),
    Option(["-o", "result_name"], type=RESULT_NAME, metavar="NAME", help=_RESULT_HELP, on_invocation=True),
    Option(["-h", "--help"], is_flag=True, help="show this help", on_invocation=True, callback=_request_help),
)


def parameter_words(param: click.Parameter) -> str:
    """Format a parameter for a usage line: `IMAGE`, `[TARGET]`, `[-c|--columns COLUMNS]`."""
    if isinstance(param, Option):
        names = "|".join(param.opts)
        return f"[{names}]" if param.is_flag else f"[{names} {param.metavar}]{'…' if param.repeatable else ''}"
    shown = str(param.metavar) + ("…" if param.nargs == -1 and "…" not in str(param.metavar) else "")
    return shown if param.required else f"[{shown}]"


class _Command(click.Command):
    """Base of verbs and groups; `label` is the full name, as in `alias list`."""

    label: str

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*self.params, *_COMMON]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # click takes the equals sign in -c=lf as part of the value.
        args = [_without_equals_sign(word) for word in args]
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise InvalidRequestError(self._explain(ctx, error)) from error

    def _explain(self, ctx: click.Context, error: click.UsageError) -> str:
        options = [param for param in self.get_params(ctx) if isinstance(param, Option)]
        if isinstance(error, click.NoSuchOption):
            names, typed = [one.opts[-1] for one in options], error.option_name
            return f"{self.label} has no option {typed!r}; {suggest(typed, names, 'it takes')}"
        if isinstance(error, click.BadOptionUsage):
            name = error.option_name
            found = next(one for one in options if name in one.opts)
            return f"{name} takes no value" if found.is_flag else f"{name} needs a value: {name} {found.metavar}"
        if isinstance(error, click.BadParameter) and error.param is not None:
            shown = error.param.opts[-1] if isinstance(error.param, Option) else str(error.param.metavar)
            if isinstance(error, click.MissingParameter):
                return f"{shown} is missing; write %lxdimg {getattr(self, 'usage', self.label)}"
            return f"{shown}: {error.message}"
        return error.format_message()

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if not incomplete.startswith("-"):
            return []
        return [
            completion(param.opts[-1], "option")
            for param in self.get_params(ctx)
            if isinstance(param, Option)
            and (param.repeatable or ctx.get_parameter_source(str(param.name)) is not ParameterSource.COMMANDLINE)
        ]


def _without_equals_sign(word: str) -> str:
    plain = not Word.of(word).protected and len(word) > 3 and word[0] == "-" != word[1] and word[2] == "="
    return word[:2] + word[3:] if plain else word


class Verb(_Command):
    """A verb. Its function gets an `Invocation` and the parameters; with `takes_body` it works in `%%lxdimg`, too."""

    def __init__(self, name: str, *, takes_body: bool = False, **attrs: Any) -> None:
        super().__init__(name, context_settings={"allow_extra_args": True}, add_help_option=False, **attrs)
        self.takes_body = takes_body
        self.label = name

    @property
    def summary(self) -> str:
        """The first sentence of the docstring of its function."""
        return (self.help or "").partition("\n\n")[0].removesuffix(".")

    @property
    def details(self) -> str:
        """The rest of the docstring."""
        return " ".join((self.help or "").partition("\n\n")[2].split())

    @property
    def usage(self) -> str:
        """`list [REMOTE:|FILTER…] [-c|--columns COLUMNS]`."""
        arguments = [param for param in self.params if isinstance(param, click.Argument)]
        options = [param for param in self.params if not isinstance(param, click.Argument)]
        return " ".join([self.label, *map(parameter_words, [*arguments, *options])])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.obj.body is not None and not self.takes_body:
            raise InvalidRequestError(f"{self.label} takes no cell; write %lxdimg with one percent sign")
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            raise InvalidRequestError(f"{Word.of(rest[0]).text!r} is unexpected; write %lxdimg {self.usage}")
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        assert self.callback is not None
        return ctx.invoke(self.callback, ctx.obj, **ctx.params)


def verb(name: str, *, takes_body: bool = False) -> Callable[[Callable[..., Any]], Verb]:
    """Make a verb of a function; the docstring is its help."""
    return click.command(name, cls=Verb, takes_body=takes_body)


class VerbGroup(_Command, click.Group):
    """Verbs with a common first word, which alone is the verb `default`. The group of all verbs has no name."""

    def __init__(
        self, name: str, verbs: Iterable[Verb | VerbGroup], *, default: Verb | None = None, **attrs: Any
    ) -> None:
        super().__init__(name, add_help_option=False, no_args_is_help=False, **attrs)
        self.default = default
        self.label = name or "%lxdimg"
        for one in verbs:
            one.label = f"{name} {one.name}".strip()
            self.add_command(one)

    @property
    def every_verb(self) -> list[Verb]:
        """All verbs in order, including those of groups."""
        found = [self.default, *self.commands.values()]
        verbs = (one.every_verb if isinstance(one, VerbGroup) else [one] for one in found)
        return [one for group in verbs for one in group if isinstance(one, Verb)]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: click.Context | None, cmd_name: str) -> click.Command | None:
        if self.default is not None and cmd_name == self.default.name:
            return self.default
        return self.commands.get(_SHORT_VERBS.get(cmd_name, cmd_name))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # During completion the word after the group may be missing.
        named = args[0] in self.commands if args else ctx.resilient_parsing
        if self.default is not None and not named:
            args = [str(self.default.name), *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        typed = Word.of(args[0]).text
        command = self.get_command(ctx, typed)
        if command is None and not ctx.resilient_parsing:
            raise InvalidRequestError(self.no_verb(typed))
        return typed, command, args[1:]

    def no_verb(self, typed: str) -> str:
        """The message about an unknown verb."""
        habit = "" if self.name else _OTHER_TOOLS.get(typed.lower(), "")
        return f"{self.label} has no verb {typed!r}; {suggest(habit or typed, self.commands)}"

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise InvalidRequestError(f"{self.label} needs a verb; known: {', '.join(self.commands)}") from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if self.default is not None and incomplete.startswith("-"):
            return self.default.shell_complete(ctx, incomplete)
        return [*(completion(name, "verb") for name in self.commands), *super().shell_complete(ctx, incomplete)]

"""Verbs as click commands in groups, with the options that every verb takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.line.server_types import PROJECT
from lxdimg_nb.magics.line.types import RESULT_NAME, TEXT, WordType, offer
from lxdimg_nb.magics.line.words import Word
from lxdimg_nb.magics.session.messages import did_you_mean

__all__ = ["HelpRequested", "Option", "Verb", "VerbGroup", "argument", "flag", "option", "parameter_words", "verb"]

_F = TypeVar("_F", bound=Callable[..., Any])
_Callback = Callable[[click.Context, click.Parameter, Any], Any]

# As lxc and incus have them.
_SHORT_VERBS = {"ls": "list", "cp": "copy", "rm": "delete", "mv": "rename"}
# What hands used to other tools type.
_HABITS = {
    "remove": "delete",
    "get": "get-property",
    "upload": "import",
    "download": "export",
    "df": "list",
    "login": "connect",
    "remote": "remotes",
    "image": "list",
    "update": "refresh",
}


class HelpRequested(Exception):  # noqa: N818
    """`--help` was typed; ends the reading of a line."""

    def __init__(self, command: click.Command) -> None:
        super().__init__(command.name)
        self.command = command


class Option(click.Option):
    """An option; read before the arguments, because images are looked up in the project that one names.

    Args:
        repeatable: it may be given several times and is a tuple; otherwise a second time is an error.
    """

    def __init__(
        self, names: Sequence[str], *, repeatable: bool = False, callback: _Callback | None = None, **attrs: Any
    ) -> None:
        self.repeatable = repeatable
        self._then = callback
        attrs["multiple"] = not attrs.get("is_flag", False)
        super().__init__(names, is_eager=True, callback=self._checked, **attrs)

    def _checked(self, ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if self.multiple and not self.repeatable:
            if len(value) > 1:
                raise InvalidRequestError(f"{self.opts[-1]} is given twice")
            value = value[0] if value else None
        return self._then(ctx, param, value) if self._then is not None else value


def option(*names: str, metavar: str, help: str, type: WordType = TEXT, repeatable: bool = False) -> Callable[[_F], _F]:
    """Declare an option with a value."""
    return click.option(*names, cls=Option, metavar=metavar, help=help, type=type, repeatable=repeatable)


def flag(*names: str, help: str) -> Callable[[_F], _F]:
    """Declare an option without a value."""
    return click.option(*names, cls=Option, is_flag=True, help=help)


def argument(
    name: str,
    metavar: str,
    type: WordType,
    *,
    required: bool = True,
    many: bool = False,
    callback: _Callback | None = None,
) -> Callable[[_F], _F]:
    """Declare a word without a dash; with `many` all that are left, as a tuple."""
    return click.argument(
        name, metavar=metavar, type=type, required=required, nargs=-1 if many else 1, callback=callback
    )


def _set_project(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    ctx.obj.project = value or ctx.obj.project


def _set_result_name(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    ctx.obj.result_name = value or ctx.obj.result_name


def _request_help(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        raise HelpRequested(ctx.command)


_COMMON: tuple[click.Parameter, ...] = (
    Option(
        ["--project"],
        type=PROJECT,
        metavar="PROJECT",
        help="in this project",
        callback=_set_project,
        expose_value=False,
    ),
    Option(
        ["-o", "result_name"],
        type=RESULT_NAME,
        metavar="NAME",
        help="store the result in this variable and show nothing",
        callback=_set_result_name,
        expose_value=False,
    ),
    Option(["-h", "--help"], is_flag=True, help="show this help", callback=_request_help, expose_value=False),
)


def parameter_words(param: click.Parameter) -> str:
    """A parameter in a usage line: `IMAGE`, `[TARGET]`, `[-c|--columns COLUMNS]`."""
    if isinstance(param, Option):
        names = "|".join(param.opts)
        return f"[{names}]" if param.is_flag else f"[{names} {param.metavar}]{'…' if param.repeatable else ''}"
    shown = str(param.metavar) + ("…" if param.nargs == -1 and "…" not in str(param.metavar) else "")
    return shown if param.required else f"[{shown}]"


class _Command(click.Command):
    """What verbs and groups have in common; `label` is the whole name, as in `alias list`."""

    label: str

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own parameters and those of every verb."""
        return [*self.params, *_COMMON]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words; what click finds wrong is said in one line that tells what to write."""
        # click takes the text behind -c for its value, with the sign in -c=lf.
        args = [_without_sign(word) for word in args]
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise InvalidRequestError(self._explain(ctx, error)) from error

    def _explain(self, ctx: click.Context, error: click.UsageError) -> str:
        name = self.label
        if isinstance(error, click.NoSuchOption):
            names = [param.opts[-1] for param in self.get_params(ctx) if isinstance(param, Option)]
            typed = error.option_name
            return f"{name} has no option {typed!r}; {did_you_mean(typed, names)}it takes {', '.join(names)}"
        if isinstance(error, click.BadOptionUsage):
            found = next(param for param in self.get_params(ctx) if error.option_name in param.opts)
            if isinstance(found, Option) and found.is_flag:
                return f"{error.option_name} takes no value"
            return f"{error.option_name} needs a value: {error.option_name} {found.metavar}"
        if isinstance(error, click.BadParameter) and error.param is not None:
            shown = error.param.opts[-1] if isinstance(error.param, Option) else str(error.param.metavar)
            if isinstance(error, click.MissingParameter):
                return f"{shown} is missing; write %lxdimg {getattr(self, 'usage', name)}"
            return f"{shown}: {error.message}"
        return error.format_message()

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The options that were not given yet, behind a dash."""
        if not incomplete.startswith("-"):
            return []
        return [
            offer(param.opts[-1], "option")
            for param in self.get_params(ctx)
            if isinstance(param, Option)
            and (param.repeatable or ctx.get_parameter_source(str(param.name)) is not ParameterSource.COMMANDLINE)
        ]


def _without_sign(word: str) -> str:
    plain = not Word.of(word).protected and len(word) > 3 and word[0] == "-" != word[1] and word[2] == "="
    return word[:2] + word[3:] if plain else word


class Verb(_Command):
    """One verb. Its function is called with an `Invocation` and its parameters.

    Args:
        takes_body: `%%lxdimg` gives it the rest of the cell.
    """

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
        """Read the words, all of them."""
        if ctx.obj.body is not None and not self.takes_body:
            raise InvalidRequestError(f"{self.label} takes no further lines; write %lxdimg with one percent sign")
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            raise InvalidRequestError(f"{Word.of(rest[0]).text!r} is one word too many; write %lxdimg {self.usage}")
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        assert self.callback is not None
        return ctx.invoke(self.callback, ctx.obj, **ctx.params)


def verb(name: str, *, takes_body: bool = False) -> Callable[[Callable[..., Any]], Verb]:
    """Make a verb of a function, whose docstring is its help."""
    return click.command(name, cls=Verb, takes_body=takes_body)


class VerbGroup(_Command, click.Group):
    """Verbs behind a common first word; without a name the group of all.

    Args:
        default: the verb that the first word alone is, also with words behind it that are no verb.
    """

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
        """The verbs in their order, those of groups included."""
        found = [self.default] if self.default is not None else []
        for one in self.commands.values():
            if isinstance(one, VerbGroup):
                found += one.every_verb
            elif isinstance(one, Verb):
                found.append(one)
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of its verbs in their order."""
        return list(self.commands)

    def get_command(self, ctx: click.Context | None, cmd_name: str) -> click.Command | None:
        """The verb of a name, or of the short name that lxc has for it."""
        if self.default is not None and cmd_name == self.default.name:
            return self.default
        return self.commands.get(_SHORT_VERBS.get(cmd_name, cmd_name))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options before the verb."""
        if (
            self.default is not None
            and (not args or args[0] not in self.commands)
            and (args or not ctx.resilient_parsing)
        ):
            args = [str(self.default.name), *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that the next word names."""
        typed = Word.of(args[0]).text
        command = self.get_command(ctx, typed)
        if command is None and not ctx.resilient_parsing:
            raise InvalidRequestError(self._no_verb(typed))
        return typed, command, args[1:]

    def _no_verb(self, typed: str) -> str:
        names = list(self.commands)
        habit = "" if self.name else _HABITS.get(typed.lower(), "")
        hint = f"did you mean {habit!r}? " if habit else did_you_mean(typed, names)
        return f"{self.label} has no verb {typed!r}; {hint}known: {', '.join(names)}"

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb that was named."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise InvalidRequestError(f"{self.label} does nothing alone; known: {', '.join(self.commands)}") from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Its verbs, or options behind a dash."""
        if self.default is not None and incomplete.startswith("-"):
            return self.default.shell_complete(ctx, incomplete)
        return [*(offer(name, "verb") for name in self.commands), *super().shell_complete(ctx, incomplete)]

"""The public names: a contract, documented, light to import."""

from __future__ import annotations

import inspect
import json
import pickle
import re
import subprocess
import sys
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import errors
from lxdimg_nb.errors import LxdImageError

NAMES = (
    "Alias",
    "Client",
    "Fleet",
    "History",
    "Image",
    "LxdImageError",
    "Operation",
    "__version__",
    "connect",
    "demo",
    "enroll",
    "errors",
    "image_metadata",
    "load_ipython_extension",
    "plan",
    "unload_ipython_extension",
)
METHODS = {
    "Client": ("close", "events", "has_extension", "images", "in_project", "info", "operations"),
    "Image": [
        "add_alias",
        "contents",
        "copy",
        "delete",
        "delete_alias",
        "export",
        "open",
        "panel",
        "refresh",
        "reload",
        "save",
        "secret",
        "update",
        "used_by",
        "aliases",
        "architecture",
        "auto_update",
        "cached",
        "created_at",
        "expires_at",
        "filename",
        "fingerprint",
        "last_used_at",
        "properties",
        "public",
        "size",
        "uploaded_at",
        "type",
        "profiles",
        "project",
        "update_source",
        "locations",
    ],
}
IMAGES = [
    "aliases",
    "all",
    "check",
    "create",
    "create_from_simplestreams",
    "create_from_url",
    "df",
    "exists",
    "get",
    "get_by_alias",
    "live",
    "metadata",
    "panel",
    "publish",
]
TREE = {
    "ApiError": "LxdImageError",
    "ChangedMeanwhileError": "ConflictError",
    "ConflictError": "ApiError",
    "FingerprintMismatchError": "LxdImageError",
    "ImageExistsError": "ConflictError",
    "IncompleteListError": "LxdImageError",
    "InvalidImageError": "LxdImageError",
    "MissingExtensionError": "LxdImageError",
    "NotAllowedError": "ApiError",
    "NotFoundError": "ApiError",
    "OperationCancelledError": "LxdImageError",
    "OperationFailedError": "LxdImageError",
    "OperationTimeoutError": "LxdImageError",
    "ServerUnreachableError": "LxdImageError",
    "UnexpectedReplyError": "LxdImageError",
}


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there_and_explained(name: str) -> None:
    value = getattr(lxdimg_nb, name)

    assert name in lxdimg_nb.__all__
    assert name in dir(lxdimg_nb)
    if name != "__version__":
        assert inspect.getdoc(value)


def test_there_are_no_others() -> None:
    assert sorted(lxdimg_nb.__all__) == sorted(NAMES)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = lxdimg_nb.nonsense


@pytest.mark.parametrize(("owner", "name"), [(o, n) for o, names in METHODS.items() for n in names])
def test_every_public_attribute_is_there_and_explained(owner: str, name: str) -> None:
    assert inspect.getdoc(getattr(getattr(lxdimg_nb, owner), name))


@pytest.mark.parametrize("name", IMAGES)
def test_every_call_on_images_is_there_and_explained(name: str) -> None:
    from lxdimg_nb.client import Images

    assert name == "aliases" or inspect.getdoc(getattr(Images, name))


def _calls() -> dict[str, Any]:
    """Everything that users call with several arguments."""
    from lxdimg_nb import demo
    from lxdimg_nb.client import Images
    from lxdimg_nb.client.aliases import Aliases
    from lxdimg_nb.inventory.plots import PlotAccessor
    from lxdimg_nb.inventory.questions.accessor import InventoryAccessor

    owners = [Images, Aliases, InventoryAccessor, PlotAccessor, demo.DemoServer, demo.Faults]
    owners += [getattr(lxdimg_nb, name) for name in ("Client", "Image", "Fleet", "History")]
    found = {
        f"{o.__name__}.{n}": c for o in owners for n, c in vars(o).items() if inspect.isfunction(c) and n[0] != "_"
    }
    found |= {name: getattr(lxdimg_nb, name) for name in ("connect", "enroll")}
    found |= {f"plan.{n}": c for n in ("prune", "set", "alias", "copy", "publish") if (c := getattr(lxdimg_nb.plan, n))}
    return found | {"demo.start": demo.start, "demo.fill": demo.fill}


INNER = {"Images.records", "Images.write", "Faults.for_request", "Faults.failure_of"}


@pytest.mark.parametrize("name", sorted(_calls().keys() - INNER))
def test_every_argument_of_a_call_with_several_is_explained(name: str) -> None:
    call = _calls()[name]
    said = inspect.getdoc(call) or ""
    arguments = [argument for argument in inspect.signature(call).parameters if argument not in ("self", "images")]

    unsaid = [argument for argument in arguments if not re.search(rf"\b{argument}\b.*:", said)]
    assert len(arguments) < 2 or unsaid == []


@pytest.mark.parametrize("name", sorted(TREE))
def test_the_error_tree(name: str) -> None:
    kind = getattr(errors, name)

    assert kind.__bases__[0].__name__ == TREE[name]
    assert issubclass(kind, LxdImageError)
    assert name in errors.__all__


@pytest.mark.parametrize(
    ("name", "code"), [("ApiError", 500), ("NotAllowedError", 403), ("NotFoundError", 404), ("ConflictError", 409)]
)
def test_a_refusal_carries_code_and_message(name: str, code: int) -> None:
    kind = getattr(errors, name)

    for made in (kind(code, "gone"), kind("gone", status_code=code), kind(status_code=code, message="gone")):
        assert (made.status_code, made.message, str(made)) == (code, "gone", "gone")
        again = pickle.loads(pickle.dumps(made))  # noqa: S301
        assert (type(again), again.status_code, again.message) == (kind, code, "gone")
    assert kind("gone").status_code == (0 if name == "ApiError" else code)


SIGNATURES = {
    "Image.export": "(path=None, *, resume=True, bundle=False, sidecar=False, progress=None)",
    "Image.copy": "(to, *, mode='auto', aliases=(), copy_aliases=False, public=None, auto_update=False, progress=None)",
    "Image.delete": "(wait=True)",
    "Images.all": "(*, filter=None, all_projects=False, polite=False)",
    "Images.get": "(name)",
    "Images.exists": "(name, alias=False)",
    "Images.create": (
        "(data, public=False, wait=False, *, metadata=None, type=None, filename=None, properties=None, aliases=(), "
        "auto_update=None, expires_at=None, profiles=None, progress=None, exist_ok=False)"
    ),
    "Images.check": "(data, metadata=None, *, type=None, progress=None)",
    "Images.df": "(*, all_projects=False, filter=None, used_by=False, extra=False)",
    "Aliases.point": "(name, *, to)",
    "connect": "(server=None, *, project=None, cert=None, server_cert=None, timeout=30.0, demo=False)",
    "enroll": "(server, token=None, *, name=None, cert=None, exist_ok=False, timeout=30.0)",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_call_takes_the_arguments_of_the_contract(name: str) -> None:
    from lxdimg_nb import client
    from lxdimg_nb.client.aliases import Aliases

    owner, _, call = name.rpartition(".")
    place = {"Image": client.Image, "Images": client.Images, "Aliases": Aliases, "": client}[owner]

    given = inspect.signature(getattr(place, call)).parameters.values()

    plain = [p.replace(annotation=inspect.Parameter.empty) for p in given if p.name != "self"]
    assert str(inspect.Signature(plain)) == SIGNATURES[name]


HEAVY = ["pandas", "numpy", "IPython", "ipywidgets", "anywidget", "cryptography", "tornado", "yaml", "requests", "tqdm"]


def test_importing_the_package_loads_none_of_its_rooms() -> None:
    code = f"import sys, json, lxdimg_nb; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"

    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)

    assert loaded == []


def test_connecting_loads_no_pandas_and_no_widgets() -> None:
    heavy = [name for name in HEAVY if name not in ("requests", "yaml")]
    code = (
        f"import sys, json, lxdimg_nb; lxdimg_nb.connect; print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    )

    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)

    assert loaded == []

"""What differs between the versions of LXD and Incus, each with its source; the handlers ask for these facts.

A fact names the versions of which it is true (`ranges.py`), or the API extension with which it comes. Sources: `wire`
is what a running server of that version replied; `lxd/images.go` and the like is the file in canonical/lxd or
lxc/incus, read at the release tags on both sides of the change.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FACTS", "Fact"]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One behaviour that not every version shows.

    Attributes:
        text: the behaviour.
        source: where it was seen or read.
        lxd: the versions of LXD that show it; none if empty.
        incus: those of Incus.
        extension: the API extension with which it comes, instead of versions.
    """

    text: str
    source: str
    lxd: str = ""
    incus: str = ""
    extension: str = ""


# Connections

EXTENSIONS_HIDDEN = Fact(
    text="a stranger is not told the API extensions: null",
    incus="7.0+",
    source="cmd/incusd/api_1.0.go, v6.23.0 and v7.0.0; wire 7.0.2",
)
BEARER = Fact(
    text="`auth_methods` has `bearer`",
    extension="auth_bearer",
    source="lxd/api_1.0.go, lxd-6.6 and lxd-6.7",
)
USER_SHOWN = Fact(
    text="`auth_user_name` and `auth_user_method` in `GET /1.0`",
    lxd="5.0.2.1+ 5.21+",
    incus="all",
    source="wire trixie's LXD and Incus 6.0.4; shared/api/server.go, lxd-5.0.2 and lxd-5.21.0",
)
TRUST_TOKEN = Fact(
    text="a trust token is sent as `trust_token`",
    lxd="5.21.2+ 6.1+",
    incus="all",
    source="the extension explicit_trust_token in LXD, which Incus does not name; lxd/certificates.go, lxd-5.21.2",
)
PASSWORD_TOKEN = Fact(
    text="a trust token or the trust password may be sent as `password`",
    lxd="5.0+ !6.1+",
    source="lxd/certificates.go, lxd-5.21.7 and lxd-6.1",
)
PASSWORD_REFUSED = Fact(
    text="501 for a `password`, whatever it is",
    lxd="6.2+",
    source="lxd/certificates.go, lxd-6.1 and lxd-6.2",
)
TRUSTED_CONFLICT = Fact(
    text="409 for a token sent by a client that is trusted already",
    lxd="5.21.3+ 6.2+",
    source="lxd/certificates.go, lxd-5.21.2, lxd-5.21.3, lxd-6.1 and lxd-6.2",
)
FETCH_SITE_REFUSED = Fact(
    text="403 for a request that another web page made (Sec-Fetch-Site)",
    lxd="5.0.2.1+ 5.21.4+ 6.5+",
    incus="7.0+",
    source="lxd/daemon.go, lxd-5.21.3, lxd-5.21.4, lxd-6.4 and lxd-6.5; wire trixie's LXD and Incus 7.0.2",
)
BROWSER_TYPES = Fact(
    text="415 for a browser (Mozilla) whose body is neither JSON nor, for an image, a stream or a form",
    lxd="5.21.4+ 6.5+",
    source="lxd/daemon.go, lxd-5.21.3, lxd-5.21.4, lxd-6.4 and lxd-6.5",
)
FOREIGN_ORIGIN_REFUSED = Fact(
    text="403 for an events websocket of another origin",
    incus="7.0.1+ 7.2+",
    source="wire 7.0.2; v7.1.0 and v7.2.0",
)
SMALL_BODIES = Fact(
    text="a JSON body of more than 1 MiB is refused, except where images are uploaded",
    incus="7.0+",
    source="cmd/incusd/daemon.go, v6.23.0 and v7.0.0; wire 7.0.2",
)
TITLE_TEXTS = Fact(
    text="errors without a text of their own read `Not Found`, `Forbidden`",
    lxd="5.21.3+ 6.2+",
    source="lxd/response/response.go, lxd-5.21.0, lxd-5.21.7 and lxd-6.2",
)

# Images

ALL_PROJECTS = Fact(
    text="`all-projects` lists the images of all projects, and images tell their `project`",
    extension="images_all_projects",
    source="lxd/images.go, lxd-5.21.3 and lxd-5.21.4, lxd-6.2 and lxd-6.3; wire Incus 6.0.4",
)
PROJECT_IN_URLS = Fact(
    text="with `all-projects` the URLs of images name their project",
    lxd="5.21.4+ 6.3+",
    source="lxd/images.go, lxd-5.21.4 and lxd-6.3; cmd/incusd/images.go, v7.0.0, does not",
)
UNTRUSTED_DEFAULT_ONLY = Fact(
    text="a stranger gets 404 for a project other than default, and 403 for `all-projects`",
    lxd="5.21.4+ 6.5+",
    source="lxd/images.go, imagesGetAccessHandler",
)
UNTRUSTED_REFUSED = Fact(
    text="a stranger gets 400 for a project other than default and for `all-projects`",
    incus="6.0.4+ 6.15+",
    source="cmd/incusd/images.go, v6.14.0, v6.15.0 and v6.0.5; wire Debian's 6.0.4",
)
UNSORTED = Fact(
    text="lists of images are in no order",
    lxd="5.0.2.1+ 5.21+",
    incus="6.1+ 6.0.6+",
    source="lxd/images.go and cmd/incusd/images.go: a map is walked; wire trixie's LXD",
)
LOCATIONS = Fact(
    text="images tell their `locations`: `none` without a cluster",
    extension="image_locations",
    source="wire 7.0.2 and 7.5.1",
)
LONG_PREFIX = Fact(
    text="400 for a prefix of a fingerprint that is not 12 to 64 lower-case hexadecimal digits",
    lxd="5.21.4+ 6.5+",
    source="lxd/images.go, lxd-5.21.3 and lxd-5.21.4, lxd-6.4 and lxd-6.5",
)
PUBLIC_IN_DEFAULT_ONLY = Fact(
    text="400 for a public image in a project other than default",
    lxd="6.8+",
    source="lxd/images.go, validateImagePublicSetting, lxd-6.7 and lxd-6.8",
)
SPLIT_RETRIEVED = Fact(
    text="the export of a split image sends `image-retrieved`, too",
    lxd="5.21.3+ 6.2+",
    source="lxd/images.go, lxd-5.21.0, lxd-5.21.3, lxd-6.1 and lxd-6.3",
)
TYPE_HEADER = Fact(
    text="exports have the header `X-Incus-Type`",
    incus="6.0.4+ 6.4+",
    source="cmd/incusd/images.go, v6.3.0, v6.4.0 and v6.0.4",
)
TYPED_FILTERS = Fact(
    text="filters compare by type, and refuse what they cannot compare",
    lxd="5.0.2.1+ 5.21+",
    incus="all",
    source="wire trixie's LXD and Incus 6.0.4",
)
FILTER_ANY_OF = Fact(
    text="a comma in the value of a filter means any of them, and no regular expression",
    incus="6.0.5+ 6.12+",
    source="internal/filter/match.go, v6.11.0, v6.12.0 and v6.0.5; wire 7.0.2",
)

# Certificates that are restricted to some projects

DEFAULT_IMAGES_LEAK = Fact(
    text="they read and export private images of the project default by their fingerprints",
    incus="6.0.4 7.5+",
    source="wire 6.0.4 and 7.5.1; not 7.0.2",
)
OTHER_PROJECTS_EMPTY = Fact(
    text="of a project that is not theirs they get lists of what they may see, not errors",
    incus="7.0+",
    source="wire 7.0.2 and 7.5.1; not 6.0.4",
)

# New images

PROFILES_HEADER = Fact(
    text="uploads have a header for profiles",
    extension="image_copy_profile",
    source="lxd/images.go, lxd-5.0.2 and lxd-5.21.0",
)
ALIASES_HEADER = Fact(
    text="uploads have a header for aliases",
    extension="image_import_alias",
    source="cmd/incusd/images.go, v6.7.0 and v6.8.0; wire Debian's 6.0.4",
)
ALIAS_NAMES = Fact(
    text="400 for an alias of more than 64 bytes, with white space or one of $?&+\"'`*, or odd ends",
    incus="6.0.5+ 6.16+",
    source="shared/validate/validate.go, v6.15.0, v6.16.0 and v6.0.5; wire 7.0.2",
)
NO_URL_SOURCE = Fact(
    text="400 for a `source` of type url",
    lxd="6.9+",
    source="lxd/images.go, lxd-6.8 and lxd-6.9",
)
CAPITAL_FINGERPRINTS = Fact(
    text="`Fingerprints don't match` begins with a capital letter",
    lxd="5.21.3+ 6.2+",
    source="lxd/images.go, lxd-5.21.2, lxd-5.21.3, lxd-6.1 and lxd-6.2",
)
FINGERPRINTS_DO_NOT = Fact(
    text="`Fingerprints do not match`",
    lxd="6.8+",
    source="lxd/images.go, lxd-6.7 and lxd-6.8",
)
TOKEN_PROPERTIES = Fact(
    text="an upload by token fails where the token has null as properties",
    lxd="5.21+",
    source="lxd/images.go, lxd-5.0.2 and lxd-5.21.0",
)
PROFILES_FIRST = Fact(
    text="an upload with an unknown profile fails before its fingerprint is told",
    incus="7.0+",
    source="wire 7.0.2",
)
PUSH_CONNECTS_LATE = Fact(
    text="an image that is pushed meets its target in the operation, not before it",
    incus="7.0+",
    source="wire 7.0.2",
)
PROJECT_LOADED = Fact(
    text='an upload to an unknown project: `Failed to load project "x"`',
    incus="7.0.2+",
    source="wire 7.0.2; not 7.5.1",
)
PROJECT_NAME = Fact(
    text='publishing an unknown instance: `in projectName "default"`',
    incus="7.5+",
    source="wire 7.5.1; not 7.0.2",
)
SPLIT_FORMAT = Fact(
    text="`format` chooses one file or two for a published image",
    extension="instance_publish_split",
    source="cmd/incusd/images.go, v6.12.0, v6.13.0 and v6.0.6",
)
QUOTED_ARCHITECTURE = Fact(
    text='quotes in `Architecture isn\'t supported: "z80"`',
    lxd="5.0.2.1",
    source="wire trixie's LXD; shared/osarch/architectures.go, lxd-5.0.9 and lxd-6.9, has no quotes",
)
YAML_CONSTRUCTS = Fact(
    text="metadata.yaml is read by go-yaml 4: dates are no texts, and errors are `construct errors`",
    incus="7.0+",
    source="wire 7.0.2; go.mod, v6.23.0 and v7.0.0",
)

# Aliases

ALIAS_ESCAPED_TWICE = Fact(
    text="aliases are escaped twice in URLs",
    lxd="5.0.2",
    source="wire 5.0.2; not trixie's LXD",
)
ALIAS_PATCH_FAILS = Fact(
    text="PATCH of an alias stalls the server and fails",
    lxd="5.0+ !5.21+",
    source="wire 5.0.2; lxd/images.go, lxd-5.0.9 and lxd-5.21.0",
)

# Operations

WAIT_ERROR = Fact(
    text="`/wait` on an operation that failed or goes on replies with an error body",
    lxd="5.0.2.1+ 5.21+",
    incus="6.0+ !6.12+ !6.0.5+",
    source="lxd/operations.go; cmd/incusd/operations.go, v6.11.0, v6.12.0, v6.0.4 and v6.0.5",
)
WAIT_STATUS = Fact(
    text="and the HTTP status is that of the error, not 200",
    lxd="5.0.2.1",
    source="wire trixie's LXD",
)
EMPTY_RESOURCES = Fact(
    text="an operation without resources has {} and not null",
    lxd="5.0.2.1+ 5.21+",
    incus="all",
    source="wire trixie's LXD and Incus 6.0.4; lxd/operations/operations.go, lxd-5.21.0",
)
EMPTY_METADATA = Fact(
    text="an operation without metadata has {} and not null",
    lxd="6.7+",
    incus="7.0+",
    source="wire 7.0.2; lxd/operations/operations.go, lxd-6.9; internal/server/operations, v6.16.0 and v7.0.0",
)
REQUESTOR = Fact(
    text="operations tell their `requestor`",
    extension="operation_requestor",
    source="shared/api/operation.go, lxd-5.21.4 and lxd-5.21.5, lxd-6.5 and lxd-6.6",
)
ENTITY_URL = Fact(
    text="the metadata of an operation has the URL of what it is about, `entity_url`",
    extension="operation_metadata_entity_url",
    source="lxd/operations/operations.go, lxd-6.6 and lxd-6.7",
)
ERROR_CODE = Fact(
    text="operations have an `err_code`",
    lxd="6.8+",
    source="shared/api/operation.go, lxd-6.7 and lxd-6.8",
)
ALWAYS_CANCELLABLE = Fact(
    text="every operation may be cancelled, and is Cancelled then",
    lxd="6.7+",
    source="lxd/operations/operations.go, lxd-6.6 and lxd-6.7",
)
PROGRESS_IN_EVENTS_ONLY = Fact(
    text="`GET /operations` leaves out what ends in `progress`",
    lxd="6.8+",
    source="lxd/operations/operations.go, RenderWithoutProgress, lxd-6.7 and lxd-6.8",
)
PROFILES_IN_BACKGROUND = Fact(
    text="a change of a profile is an operation",
    extension="storage_and_profile_operations",
    source="lxd/profiles.go, lxd-6.5 and lxd-6.6",
)
EVENT_TYPE_400 = Fact(
    text="400, not 500, for an unknown type of events",
    lxd="5.0.2.1+ 5.21+",
    incus="all",
    source="wire trixie's LXD and Incus 6.0.4",
)

# Bodies and other texts

NEW_GO = Fact(
    text="Go 1.20 or newer: its words for wrong times, and lengths of error replies that are right",
    lxd="5.0.2.1+ 5.21+",
    incus="all",
    source="wire trixie's LXD and Incus 6.0.4",
)
GO_KEYS = Fact(
    text="Go's words for a wrong value name the key of a map, and json names a number where a time should be",
    incus="7.0+",
    source="wire 7.0.2",
)
API_NAMES = Fact(
    text="names of projects and profiles follow the rules for aliases, without slashes; 409 for a name in use",
    incus="6.16+",
    source="wire 7.0.2; shared/validate/validate.go, v6.16.0",
)

FACTS: dict[str, Fact] = {name: value for name, value in vars().copy().items() if isinstance(value, Fact)}
"""All of them by name."""

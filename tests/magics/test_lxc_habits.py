"""%lxdimg for users of `lxc image` and `incus image`: short verbs, joined options, remotes; advice in verbs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit import certificates, factory
from tests.kit.kernel import Kernel, remotes
from tests.kit.servers import RunningServer


@pytest.fixture
def kernel(kernel: Kernel, server: RunningServer) -> Kernel:
    """The kernel, connected to the server, which holds an image web."""
    server.add_image(factory.small(1), aliases=["web"])
    return kernel


@pytest.mark.slow
def test_the_short_verbs_of_lxc_are_taken(kernel: Kernel, server: RunningServer) -> None:
    server.add_project("other")

    assert kernel.run("%lxdimg ls -clf").text.splitlines()[2].split()[-1] == "web"
    kernel.run("%lxdimg alias mv web db")
    kernel.run("%lxdimg cp db --target-project other")
    assert kernel.run("%lxdimg alias ls").text.splitlines()[1].split()[0] == "db"
    kernel.run("%lxdimg rm db --yes")

    assert server.get("images") == []
    assert len(server.get("images?project=other")) == 1
    assert "list" in kernel.run("%lxdimg help ls").text


def test_a_semicolon_shows_nothing_and_still_assigns(kernel: Kernel) -> None:
    alone = kernel.run("%lxdimg list; # nothing is shown")
    edited = kernel.run("%%lxdimg edit web --yes;\npublic: yes")
    kernel.run("df = %lxdimg list alias=web;\n")
    kernel.run("def look():\n    image = %lxdimg info $df;\n    return image")

    assert alone.outputs == []
    assert edited.text == ""
    assert "public no → yes" in edited.stdout
    assert kernel.value("look().public, list(df.alias)") == (True, ["web"])


@pytest.mark.parametrize("line", ["list --help", "ls -h", "help list"])
def test_help_works_as_in_a_shell(kernel: Kernel, line: str) -> None:
    text = kernel.run(f"%lxdimg {line}").text

    assert text.startswith("%lxdimg list: Images as a frame")
    assert "-c, --columns COLUMNS" in text
    assert "\n%lxdimg list [REMOTE:|FILTER…] " in text
    assert "demo" in kernel.run("%lxdimg --help").text


def test_lists_can_be_shown_as_text(kernel: Kernel, server: RunningServer) -> None:
    web = factory.fingerprint(factory.small(1))
    server.add_image(factory.small(2), ["db"], public=True)

    kernel.run("rows = %lxdimg list -f csv,header -c lFps,os\nshort = %lxdimg ls web -fcsv -clf\n")
    kernel.run("said = %lxdimg list --format=json\nyaml_ = %lxdimg list web --format yaml\n")
    kernel.run("names = %lxdimg alias list -f csv\n")
    kept = kernel.run("%lxdimg list -f yaml -o kept").stdout

    size = len(factory.small(1))
    assert f"web,{web},no,{size},Ubuntu" in kernel.value("rows.splitlines()")
    assert kernel.value("rows.splitlines()[0]") == "alias,fingerprint,public,size,properties.os"
    assert kernel.value("str(short)") == f"web,{web[:12]}"
    assert kernel.value("import json; sorted(i['size'] for i in json.loads(said))[-1]") == size
    assert kernel.value("import yaml; yaml.safe_load(yaml_)")[0]["fingerprint"] == web
    assert f"web,{web[:12]},container," in kernel.value("names.splitlines()")
    assert kept.startswith("kept = a text of ")
    assert kernel.run("%lxdimg list web -f json").text.startswith("[\n  {")
    assert "csv,header" in kernel.run("%lxdimg list -f nonsense", ok=False).stderr


def test_columns_are_letters_or_names_between_commas(kernel: Kernel) -> None:
    kernel.run("a = %lxdimg list -c l,f,os\nb = %lxdimg list --columns lp,size --used-by\n")

    assert kernel.value("list(a.columns), list(b.columns)") == (
        ["alias", "properties.os"],
        ["alias", "public", "size", "used_by"],
    )


def test_a_filter_can_be_quoted_as_in_a_shell(kernel: Kernel, server: RunningServer) -> None:
    server.add_image(factory.small(2), ["db"])

    kernel.run("a = %lxdimg list 'os=Ub*'\nb = %lxdimg list \"description=Ubuntu noble*\" 'size > 1'\n")

    assert kernel.value("list(a.alias), list(b.alias)") == (["web"], ["web"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("list -o class", "not a valid variable name"),
        ("delete web --yes -o 3x", "not a valid variable name"),
        ("delete web --yes -o get_ipython", "belongs to IPython"),
        ("set public=yes web", "%lxdimg set IMAGE public=yes"),
        ("plan nonsense", "%lxdimg plan $df"),
        ("copy web --target-project default", "--reuse takes it"),
        ("list -c ,", "names with commas"),
        ("remote list", "did you mean 'remotes'?"),
    ],
)
def test_mistakes_are_reported_before_anything_is_done(
    kernel: Kernel, server: RunningServer, line: str, said: str
) -> None:
    cell = kernel.run(f"%lxdimg {line}", ok=False)

    assert said in cell.stderr
    assert cell.stderr.count("\n") == 1
    assert server.get("images?recursion=1")[0]["public"] is False


def test_an_alias_is_renamed_on_its_own_server(kernel: Kernel, server: RunningServer, configuration: Path) -> None:
    remotes(configuration, there={"addr": server.url, "protocol": "lxd"})

    refused = kernel.run("%lxdimg alias rename web there:db", ok=False)
    kernel.run("%lxdimg alias rename there:web there:db")

    assert "%lxdimg copy IMAGE there: --alias db" in refused.stderr
    assert server.get("images/aliases?recursion=1")[0]["name"] == "db"


def test_an_alias_with_a_colon_is_named_in_quotes_or_behind_its_remote(
    kernel: Kernel, server: RunningServer, configuration: Path
) -> None:
    remotes(configuration, there={"addr": server.url, "protocol": "lxd"})

    kernel.run("%lxdimg alias create 'release:8' web")
    refused = kernel.run("%lxdimg info release:8", ok=False)
    kernel.run("name = 'release:8'\na = %lxdimg info 'release:8'\nb = %lxdimg info there:release:8\n")
    kernel.run("c = %lxdimg info $name\n")
    kernel.run("%lxdimg alias delete 'release:8'")

    assert "'release:8'" in refused.stderr
    assert kernel.value("a.fingerprint == b.fingerprint == c.fingerprint") is True
    assert [a["name"] for a in server.get("images/aliases?recursion=1")] == ["web"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("info none", "%lxdimg list shows them"),
        ("alias delete none", "%lxdimg alias list shows them"),
        ("alias create web web", "%lxdimg alias point web IMAGE moves it"),
        ("import $file", "--reuse takes what is there"),
        ("list --project none", "%lxdimg list --all-projects shows what there is"),
        ("connect /none.socket", "there is no such socket"),
        ("list -x", "it takes: --columns, --format"),
        ("plan prune --unused-for 30d", "no option '--unused-for'"),
        ("list $file --none", "no option '--none'"),
        ("public web", "did you mean 'set'?"),
        ("connect demo", "did you mean %lxdimg demo?"),
        ("list -zlf", "no option '-z'"),
    ],
)
def test_advice_is_given_in_verbs(kernel: Kernel, tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "image.tar.gz"
    file.write_bytes(factory.small(1))

    cell = kernel.run(f"file = {str(file)!r}\n%lxdimg {line}", ok=False)

    assert said in cell.stderr
    assert cell.stderr.count("\n") == 1
    for python in ("images.", "exist_ok", "connect("):
        assert python not in cell.stderr


def test_without_a_server_the_advice_is_a_verb(shared_kernel: Kernel) -> None:
    cell = shared_kernel.run("%config LxdimgMagics.remote = ''\n%lxdimg list", ok=False)

    assert "%lxdimg connect https://host:8443" in cell.stderr
    assert "%lxdimg demo" in cell.stderr
    assert "lxdimg_nb" not in cell.stderr


def test_status_reports_a_server_that_is_gone(kernel: Kernel, server: RunningServer) -> None:
    if server.kind == "demo":
        kernel.run("%lxdimg demo")
        kernel.run("get_ipython().magics_manager.registry['LxdimgMagics'].session.demo.close()")
    else:
        server.kill()

    cell = kernel.run("%lxdimg")

    assert "no answer from unix://" in cell.text
    assert "%lxdimg connect" in cell.text
    server.restart()
    kernel.run(f"%lxdimg connect {server.url}")


def test_status_says_whose_images_a_project_shows(kernel: Kernel, server: RunningServer) -> None:
    server.add_project("shared", features_images=False)

    cell = kernel.run("%lxdimg --project shared")

    assert "shared (with the images of default)" in cell.text
    assert "1, " in cell.text


def test_a_refusal_says_how_to_be_trusted(shared_kernel: Kernel, server: RunningServer, tmp_path: Path) -> None:
    url = server.listen()
    (tmp_path / "server.crt").write_text(certificates.of_server(url))
    shared_kernel.run(f"%lxdimg connect {url} --server-cert {tmp_path / 'server.crt'}")

    cell = shared_kernel.run("%lxdimg alias list", ok=False)

    assert "%lxdimg connect URL --token -" in cell.stderr


def test_aliases_of_another_server_are_listed_and_created(
    kernel: Kernel, server: RunningServer, configuration: Path, tmp_path: Path
) -> None:
    remotes(configuration, there={"addr": server.url, "protocol": "lxd"})
    kernel.run("%config LxdimgMagics.remote = ''")

    kernel.run("%lxdimg alias create there:db web")
    listed = kernel.run("%lxdimg alias list there:")
    kernel.run("%lxdimg alias point there:web db")
    kernel.run(f"made = %lxdimg export there:db {tmp_path}\n")

    assert [row.split()[0] for row in listed.text.splitlines()[1:]] == ["db", "web"]
    assert {a["name"] for a in server.get("images/aliases?recursion=1")} == {"db", "web"}
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [factory.small(1)]


def test_edit_shows_the_differences_before_it_writes(kernel: Kernel, server: RunningServer) -> None:
    cell = kernel.run("%%lxdimg edit web --yes\npublic: yes\nauto_update: yes")
    refused = kernel.run("%%lxdimg edit web\npublic: no\nprofiles: nobody", ok=False)

    assert [line.strip() for line in cell.stdout.splitlines()[:2]] == ["public no → yes", "auto_update no → yes"]
    assert cell.stdout.splitlines()[2].endswith("written")
    assert "profiles default → nobody" in refused.stdout
    assert "written" not in refused.stdout
    assert server.get("images?recursion=1")[0]["public"] is True

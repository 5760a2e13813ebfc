"""%lxdimg in a real kernel, on the demo server, a real LXD and a real Incus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kit import factory
from tests.kit.kernel import Kernel
from tests.kit.servers import RunningServer


def line(text: str) -> str:
    """The one line that was printed."""
    assert text.count("\n") == 1, text
    return text.strip()


def test_connect_returns_the_client_and_says_where(shared_kernel: Kernel, server: RunningServer) -> None:
    cell = shared_kernel.run(f"%lxdimg connect {server.url}")

    assert str(server.socket) in cell.text
    assert cell.stdout == ""


def test_alone_it_shows_the_status_and_what_to_type(kernel: Kernel, server: RunningServer, web: str) -> None:
    cell = kernel.run("%lxdimg")

    version = server.get("")["environment"]["server_version"]
    for part in (str(server.socket), version, "default", "trusted", "1, ", "%lxdimg list"):
        assert part in cell.text
        assert part in cell.html or part == "%lxdimg list"


def test_list_returns_a_frame_and_prints_nothing(kernel: Kernel, web: str) -> None:
    cell = kernel.run("df = %lxdimg list\n")

    assert (cell.stdout, cell.text) == ("", "")
    assert kernel.value("list(df.index), df.alias.iloc[0], str(df['size'].dtype)") == ([web], "web", "int64")


def test_list_filters_as_the_filters_do(kernel: Kernel, server: RunningServer, web: str) -> None:
    server.add_image(factory.small(2), aliases=["db"], public=True)

    kernel.run("a = %lxdimg list public=yes\nb = %lxdimg list alias=w* size > 1\n")
    kernel.run("pattern = 'w*'\nc = %lxdimg list alias=$pattern\n")

    # A variable is a value, whatever characters it holds.
    assert kernel.value("list(a.alias), list(b.alias), list(c.alias)") == (["db"], ["web"], [])


def test_list_takes_the_column_letters_of_lxc_and_names(kernel: Kernel, web: str) -> None:
    kernel.run("a = %lxdimg list -c lfsu\nb = %lxdimg list -c os,public\n")

    assert kernel.value("list(a.columns)") == ["alias", "size", "uploaded_at"]
    assert kernel.value("list(b.columns)") == ["properties.os", "public"]


def test_the_option_o_stores_the_result_and_shows_one_line(kernel: Kernel, web: str) -> None:
    cell = kernel.run("%lxdimg list -o kept")

    assert line(cell.stdout) == "kept = a frame of 1 row"
    assert cell.text == ""
    assert kernel.value("kept.index[0]") == web


def test_list_of_all_projects_has_the_project_in_its_index(kernel: Kernel, server: RunningServer, web: str) -> None:
    server.add_project("other")
    server.add_image(factory.small(2), project="other")

    kernel.run("df = %lxdimg list --all-projects\n")

    assert kernel.value("sorted(df.index.get_level_values('project'))") == ["default", "other"]


def test_the_option_project_names_another_project(kernel: Kernel, server: RunningServer, web: str) -> None:
    server.add_project("other")
    fingerprint = server.add_image(factory.small(2), ["theirs"], project="other")

    kernel.run("image = %lxdimg info theirs --project other\n")

    assert kernel.value("image.project, image.fingerprint") == ("other", fingerprint)


def test_info_returns_the_image(kernel: Kernel, web: str) -> None:
    kernel.run("image = %lxdimg info web\n")

    assert kernel.value("image.fingerprint, image.public") == (web, False)
    assert web[:12] in kernel.run("%lxdimg info web").text


def test_show_returns_the_writable_fields_as_yaml(kernel: Kernel, web: str) -> None:
    kernel.run("import yaml\ntext = %lxdimg show web\n")

    fields = kernel.value("yaml.safe_load(text)")
    assert list(fields) == ["public", "auto_update", "properties", "expires_at", "profiles"]
    assert fields["properties"] == factory.properties(1)


def test_set_says_before_and_after_and_changes_the_server(kernel: Kernel, server: RunningServer, web: str) -> None:
    cell = kernel.run("image = %lxdimg set web public=yes expires_at=2031-02-03 --yes\n")

    assert line(cell.stdout) == f"web ({web[:12]}): public no → yes, expires_at never → 2031-02-03 00:00 UTC"
    image = server.get(f"images/{web}")
    assert image["public"] is True
    assert image["expires_at"].startswith("2031-02-03")
    assert kernel.value("image.public") is True


def test_set_takes_several_images(kernel: Kernel, server: RunningServer, web: str) -> None:
    other = server.add_image(factory.small(2), aliases=["db"])

    kernel.run("%lxdimg set web db public=yes --yes")

    assert [server.get(f"images/{f}")["public"] for f in (web, other)] == [True, True]


def test_properties_are_set_read_and_removed(kernel: Kernel, server: RunningServer, web: str) -> None:
    said = [
        kernel.run("%lxdimg set-property web color 'dark red'").stdout.strip(),
        kernel.run("%lxdimg get-property web color").text,
        kernel.run("%lxdimg unset-property web color").stdout.strip(),
    ]

    name = f"web ({web[:12]})"
    assert said == [
        f"{name}: properties.color none → dark red",
        "dark red",
        f"{name}: properties.color dark red → none",
    ]
    assert "color" not in server.get(f"images/{web}")["properties"]


def test_import_makes_an_image_with_aliases_and_properties(
    kernel: Kernel, server: RunningServer, tmp_path: Path
) -> None:
    path = tmp_path / "an image.tar.gz"
    path.write_bytes(factory.small(7))

    kernel.run(f"path = {str(path)!r}\nimage = %lxdimg import $path color=red --alias one --alias two --public\n")

    fingerprint = kernel.value("image.fingerprint")
    image = server.get(f"images/{fingerprint}")
    assert image["public"] is True
    assert image["properties"]["color"] == "red"
    assert sorted(a["name"] for a in image["aliases"]) == ["one", "two"]


def test_import_takes_the_two_files_of_a_split_image(kernel: Kernel, server: RunningServer, tmp_path: Path) -> None:
    metadata, rootfs = factory.split(3)
    (tmp_path / "meta.tar.gz").write_bytes(metadata)
    (tmp_path / "rootfs.squashfs").write_bytes(rootfs)

    kernel.run(f"image = %lxdimg import {tmp_path}/meta.tar.gz {tmp_path}/rootfs.squashfs\n")

    fingerprint = kernel.value("image.fingerprint")
    assert server.get(f"images/{fingerprint}")["size"] == len(metadata) + len(rootfs)


def test_import_with_reuse_moves_the_alias(kernel: Kernel, server: RunningServer, web: str, tmp_path: Path) -> None:
    path = tmp_path / "new.tar.gz"
    path.write_bytes(factory.small(8))

    refused = kernel.run(f"%lxdimg import {path} --alias web", ok=False)
    said = kernel.run(f"image = %lxdimg import {path} --alias web --reuse\n").stdout

    fingerprint = kernel.value("image.fingerprint")
    assert "web" in refused.evalue
    assert f"web: {web[:12]} → {fingerprint[:12]}" in said
    assert server.get("images/aliases/web")["target"] == fingerprint


def test_export_writes_the_file_and_says_where(kernel: Kernel, web: str, tmp_path: Path) -> None:
    cell = kernel.run(f"done = %lxdimg export web {tmp_path}\n")

    files = list(tmp_path.iterdir())
    assert [f.read_bytes() for f in files] == [factory.small(1)]
    assert str(files[0]) in line(cell.stdout)
    assert kernel.value("str(done.path)") == str(files[0])


def test_aliases_are_listed_made_moved_renamed_and_removed(kernel: Kernel, server: RunningServer, web: str) -> None:
    other = server.add_image(factory.small(2))

    said = [
        kernel.run("%lxdimg alias create db web --description 'the database'").stdout.strip(),
        kernel.run(f"%lxdimg alias point db {other}").stdout.strip(),
        kernel.run("%lxdimg alias rename db data").stdout.strip(),
    ]
    kernel.run("aliases = %lxdimg alias list\n")
    listed = kernel.value("dict(aliases.target), aliases.description['data']")
    kernel.run("%lxdimg alias delete data")

    assert said[:2] == [f"db: none → {web[:12]}", f"db: {web[:12]} → {other[:12]}"]
    assert said[2].startswith("db → data")
    assert listed == ({"data": other, "web": web}, "the database")
    assert [a["name"] for a in server.get("images/aliases?recursion=1")] == ["web"]


def test_delete_refuses_where_nobody_can_answer(kernel: Kernel, server: RunningServer, web: str) -> None:
    cell = kernel.run("%lxdimg delete web", ok=False)

    assert cell.ename == "UsageError"
    assert "--yes" in cell.evalue
    assert server.get(f"images/{web}")["fingerprint"] == web


@pytest.mark.parametrize(("answer", "gone"), [("y", True), ("yes", True), ("n", False), ("", False)])
def test_delete_shows_the_images_and_asks(
    kernel: Kernel, server: RunningServer, web: str, answer: str, gone: bool
) -> None:
    cell = kernel.run("%lxdimg delete web", answer=answer, ok=False)

    assert f"web ({web[:12]})" in cell.stdout
    assert f"from project default on {server.url}?" in cell.stdout
    assert (server.raw("GET", f"/1.0/images/{web}").status == 404) is gone
    assert cell.status == ("ok" if gone else "error")


def test_delete_takes_a_frame_and_yes(kernel: Kernel, server: RunningServer, web: str) -> None:
    server.add_image(factory.small(2))
    kept = server.add_image(factory.small(3), aliases=["keep"])
    kernel.run("df = %lxdimg list\n")

    kernel.run("old = df[df.alias.fillna('') != 'keep']\n%lxdimg delete $old --yes")

    assert server.get("images") == [f"/1.0/images/{kept}"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("lst", "did you mean 'list'?"),
        ("list --publik", "it takes: "),
        ("list --all-project", "did you mean '--all-projects'?"),
        ("list relaese=noble", "did you mean 'release'?"),
        ("list -c oss", "no column 'oss'; did you mean 'os'?"),
        ("info wbe", "did you mean 'web'?"),
        ("info", "IMAGE is missing"),
        ("info web web", "is unexpected"),
        ("info $nothing", "no variable 'nothing'"),
        ("info ''", "empty name"),
        ("info 'web", "not closed"),
        ("info ''", "empty name"),
        ("set web publc=yes", "did you mean 'public'?"),
        ("set web public=perhaps", "yes or no"),
        ("set web expires_at=soon", "is not a time"),
        ("get-property web oss", "did you mean 'os'?"),
        ("alias lst", "did you mean 'list'?"),
        ("import /no/such/file", "/no/such/file"),
        ("export web /no/such/folder/", "/no/such"),
        ("connect /no/such/socket", "/no/such/socket"),
        ("delete web --project nowhere", "nowhere"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(kernel: Kernel, web: str, code: str, said: str) -> None:
    cell = kernel.run(f"%lxdimg {code}", ok=False)

    assert cell.ename == "UsageError"
    assert line(cell.stderr).startswith("UsageError: ")
    assert said in cell.stderr
    assert cell.outputs == []


def test_a_failed_connect_keeps_the_old_server(kernel: Kernel, server: RunningServer, web: str) -> None:
    kernel.run("%lxdimg connect /no/such/socket", ok=False)

    assert kernel.value("%config LxdimgMagics.remote") == server.url
    assert web[:12] in kernel.run("%lxdimg info web").text


def test_tb_shows_the_cause_of_the_one_line(kernel: Kernel) -> None:
    kernel.run("%lxdimg info nowhere", ok=False)

    shown = json.dumps(kernel.run("%tb", ok=False).outputs)

    assert "NotFoundError" in shown
    assert "Traceback" in shown


def test_debug_shows_errors_as_they_are(kernel: Kernel) -> None:
    kernel.run("%config LxdimgMagics.debug = True")

    cell = kernel.run("%lxdimg info nowhere", ok=False)

    assert cell.ename == "NotFoundError"


def test_the_remote_can_be_read_and_set(shared_kernel: Kernel, server: RunningServer, web: str) -> None:
    shared_kernel.run(f"%config LxdimgMagics.remote = {server.url!r}")

    assert web[:12] in shared_kernel.run("%lxdimg info web").text
    assert shared_kernel.value("%config LxdimgMagics.remote") == server.url


def test_what_a_server_says_is_never_expanded(kernel: Kernel, server: RunningServer, web: str) -> None:
    server.raw("PATCH", f"/1.0/images/{web}", json={"properties": {"trap": "$secret {secret}"}})
    kernel.run("secret = 'SECRET'")

    assert kernel.run("%lxdimg get-property web trap").text == "$secret {secret}"
    kernel.run("value = %lxdimg get-property web trap\n%lxdimg set-property web copy $value")
    assert server.get(f"images/{web}")["properties"]["copy"] == "$secret {secret}"


def test_a_braced_word_stays_as_typed(kernel: Kernel, server: RunningServer, web: str) -> None:
    kernel.run("color = 'red'\n%lxdimg set-property web a {color}\n%lxdimg set-property web b '$color'")

    properties = server.get(f"images/{web}")["properties"]
    assert (properties["a"], properties["b"]) == ("{color}", "$color")


def test_it_works_within_functions_with_their_own_variables(kernel: Kernel, web: str) -> None:
    kernel.run("def look(name):\n    image = %lxdimg info $name\n    return image.fingerprint")

    assert kernel.value("look('web')") == web


def test_an_image_in_a_variable_is_read_again_and_its_unsent_changes_stay(
    kernel: Kernel, server: RunningServer, web: str
) -> None:
    kernel.run("image = %lxdimg info web\nedited = %lxdimg info web\n")
    kernel.run("edited.auto_update = True\nedited.properties = {'os': 'not sent'}")
    server.raw("PATCH", f"/1.0/images/{web}", json={"properties": {"os": "theirs"}})

    kernel.run("%lxdimg set $image public=yes -y\n%lxdimg set-property $edited color red")

    there = server.get(f"images/{web}")
    assert (there["public"], there["properties"]["os"], there["properties"]["color"]) == (True, "theirs", "red")
    assert kernel.value("image.public, edited.properties") == (True, {"os": "not sent"})


def test_images_are_named_by_rows_columns_and_lists(kernel: Kernel, server: RunningServer, web: str) -> None:
    server.add_project("other")
    there = server.add_image(factory.small(2), project="other")
    kernel.run("df = %lxdimg list --all-projects\nown = %lxdimg list\n")
    kernel.run(f"row, far, names, one = own.iloc[0], df.loc[('other', {there!r})], list(own.alias), own.index[0]")

    kernel.run("a = %lxdimg info $row\nb = %lxdimg info $far\nc = %lxdimg info $names\nd = %lxdimg info $one\n")

    assert kernel.value("[i.fingerprint for i in (a, b, c, d)], b.project") == ([web, there, web, web], "other")


def test_help_names_every_verb_and_explains_one(kernel: Kernel) -> None:
    from lxdimg_nb.magics.verbs.root import LXDIMG

    everything = kernel.run("%lxdimg help").text
    one = kernel.run("%lxdimg help list").text

    assert [verb.label for verb in LXDIMG.every_verb if verb.label not in everything] == []
    assert "--all-projects" in one


def test_nothing_is_left_behind(shared_kernel: Kernel, server: RunningServer) -> None:
    state = (
        "ip = get_ipython(); sorted(ip.user_ns.keys() - {'_', '__', '___'} - "
        "{k for k in ip.user_ns if k.startswith(('_i', '_'))}), "
        "sorted(ip.magics_manager.magics['line']), sorted(ip.magics_manager.magics['cell']), "
        "len(ip.configurables), len(ip.Completer.custom_matchers), "
        "{k: len(v) for k, v in ip.events.callbacks.items()}"
    )
    shared_kernel.run("%unload_ext lxdimg_nb")
    try:
        before = shared_kernel.run(state).text
        assert "'lxdimg'" not in before

        shared_kernel.run(f"%load_ext lxdimg_nb\n%lxdimg connect {server.url}\n%reload_ext lxdimg_nb")
        shared_kernel.run("%unload_ext lxdimg_nb")

        assert shared_kernel.run(state).text == before
        assert shared_kernel.threads_left() == []
        assert "not found" in shared_kernel.run("%lxdimg", ok=False).stderr
    finally:
        shared_kernel.run("%load_ext lxdimg_nb")

"""Main files with their includes, and the sandbox through which all is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nginxtls.base.limits import LIMITS
from nginxtls.syntax import Files, Tree, Unreachable, read_tree


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_conf", ".conf")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def names(tree: Tree) -> list[str]:
    return [Path(file.path or "").name for file in tree.files]


def flat(tree: Tree) -> list[str]:
    return [" ".join((d.name, *d.args)) for d in tree.expand(tree.roots[0].directives)]


def test_includes_in_nginx_order_relative_to_the_main_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        nginx_conf="include conf.d/*.conf; include last.conf; pid c;",
        **{"conf.d/b.conf": "include inner/x.inc; user b;", "conf.d/B.conf": "user B;", "conf.d/ä.conf": "user a;"},
        **{
            "conf.d/.hidden.conf": "user h;",
            "inner/x.inc": "user x;",
            "last.conf": "user z;",
            "conf.d/inner/x.inc": "no x;",
        },
    )
    tree = read_tree(tmp_path / "nginx.conf", Files([tmp_path]))
    # The bytes of the names decide, and a star does not match a leading dot: glob(3) in the C locale.
    assert flat(tree) == ["user B", "user x", "user b", "user a", "user z", "pid c"]
    assert not tree.unresolved


def test_a_file_included_from_many_places_is_parsed_once(tmp_path: Path) -> None:
    sites = " ".join(f"server {{ include tls.conf; server_name s{number}; }}" for number in range(100))
    write(tmp_path, nginx_conf=sites, tls_conf="ssl_protocols TLSv1.2;")
    tree = read_tree(tmp_path / "nginx.conf", Files([tmp_path]))
    assert names(tree) == ["nginx.conf", "tls.conf"]
    assert len(tree.includes) == 100
    assert {brought for (brought,) in tree.includes.values()} == {tree.files[1]}


def test_a_file_reached_by_two_names_is_parsed_once(tmp_path: Path) -> None:
    write(
        tmp_path, nginx_conf="include sites-enabled/*; include sites-available/a;", **{"sites-available/a": "user a;"}
    )
    (tmp_path / "sites-enabled").mkdir()
    (tmp_path / "sites-enabled" / "a").symlink_to("../sites-available/a")
    tree = read_tree(tmp_path / "nginx.conf", Files([tmp_path]))
    assert names(tree) == ["nginx.conf", "a"]
    assert flat(tree) == ["user a", "user a"]


def test_cycles_are_told_and_cut(tmp_path: Path) -> None:
    write(
        tmp_path,
        nginx_conf="user a; include b.conf;",
        b_conf="include c.conf; user b;",
        c_conf="include b.conf; user c;",
    )
    tree = read_tree(tmp_path / "nginx.conf", Files([tmp_path]))
    assert flat(tree) == ["user a", "user c", "user b"]
    (problem,) = [problem for file in tree.files for problem in file.problems]
    assert "leads back to" in problem.message

    write(tmp_path, nginx_conf="include nginx.conf; user a;")
    tree = read_tree(tmp_path / "nginx.conf", Files([tmp_path]))
    assert flat(tree) == ["user a"]
    assert len(tree.files[0].problems) == 1


def test_including_twice_is_no_cycle(tmp_path: Path) -> None:
    write(
        tmp_path,
        nginx_conf="include a.conf; include b.conf;",
        a_conf="include c.conf;",
        b_conf="include c.conf;",
        c_conf="x;",
    )
    tree = read_tree(tmp_path / "nginx.conf", Files([tmp_path]))
    assert not any(file.problems for file in tree.files)
    assert flat(tree) == ["x", "x"]


def test_what_is_missing_is_told_with_its_reason(tmp_path: Path) -> None:
    write(tmp_path, nginx_conf="include gone.conf; include none/*.conf; include folder; include /etc/passwd; include;")
    (tmp_path / "folder").mkdir()
    tree = read_tree(tmp_path / "nginx.conf", Files([tmp_path]))
    reasons = {" ".join(d.args): gap.reason for d, (gap,) in tree.unresolved.items()}
    assert reasons["gone.conf"] == "no such file"
    assert "folder" in reasons["folder"]
    assert reasons["/etc/passwd"] == "outside the folders that may be read"
    assert reasons[""] == "it names no file"
    missing_folder = next(d for d in tree.roots[0].directives if d.args == ("none/*.conf",))
    assert tree.includes.get(missing_folder, ()) == () or tree.unresolved[missing_folder][0].reason == "no such file"


def test_deep_chains_end_with_a_message(tmp_path: Path) -> None:
    files = {f"f{number}.conf": f"include f{number + 1}.conf; user u{number};" for number in range(200)}
    write(tmp_path, nginx_conf="include f0.conf;", **files, **{"f200.conf": "user end;"})
    tree = read_tree(tmp_path / "nginx.conf", Files([tmp_path]))
    assert 50 < len(tree.files) < 100
    assert any("deep" in gap.reason for gaps in tree.unresolved.values() for gap in gaps)
    flat(tree)


# -- the sandbox -------------------------------------------------------------------------------------------------------


@pytest.fixture
def fence(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("secret")
    inside = tmp_path / "inside"
    (inside / "sub").mkdir(parents=True)
    (inside / "file").write_text("fine")
    return inside


@pytest.mark.parametrize("path", ["../secret", "sub/../../secret", "link", "way/secret", "/etc/passwd", "{abs}"])
def test_nothing_outside_is_read(fence: Path, path: str) -> None:
    (fence / "link").symlink_to(fence.parent / "secret")
    (fence / "way").symlink_to("..")
    files = Files([fence])
    found = files.read(path.format(abs=fence.parent / "secret"), str(fence))
    assert isinstance(found, Unreachable)
    assert found.reason == "outside the folders that may be read"


def test_links_inside_are_followed(fence: Path) -> None:
    (fence / "sub" / "link").symlink_to("../file")
    (fence / "folder").symlink_to("sub")
    files = Files([fence])
    assert files.read("sub/link", str(fence)) == b"fine"
    assert files.read("folder/link", str(fence)) == b"fine"


def test_only_regular_files_are_opened(fence: Path) -> None:
    os.mkfifo(fence / "pipe")
    (fence / "loop").symlink_to("loop")
    (fence / "dangling").symlink_to("nowhere")
    (fence / "null").symlink_to("/dev/null")
    files = Files(["/"])
    base = str(fence)
    reasons = {}
    for name in ("pipe", "sub", "loop", "dangling", "null", "/dev/zero", "file/x", "a\0b", ""):
        found = files.read(name, base)
        assert isinstance(found, Unreachable), name
        reasons[name] = found.reason
    assert "named pipe" in reasons["pipe"]
    assert "folder" in reasons["sub"]
    assert "device" in reasons["null"]
    assert "device" in reasons["/dev/zero"]
    assert "does not exist" in reasons["dangling"]


def test_limits(fence: Path) -> None:
    (fence / "big").write_bytes(b"x" * 2001)
    files = Files([fence], limit=2000)
    found = files.read("big", str(fence))
    assert isinstance(found, Unreachable)
    assert found.reason == "2 kB large; the limit is 2 kB" or "limit" in found.reason
    files = Files([fence], total_limit=5)
    assert files.read("file", str(fence)) == b"fine"
    (fence / "other").write_text("fine")
    found = files.read("other", str(fence))
    assert isinstance(found, Unreachable)
    assert "in one run" in found.reason


def test_a_pattern_that_looks_at_too_much_is_refused(fence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, "names", 50)
    for number in range(20):
        (fence / "sub" / str(number)).write_text("")
    files = Files([fence])
    assert not isinstance(files.expand("sub/*", str(fence)), Unreachable)
    assert not isinstance(files.expand("sub/?", str(fence)), Unreachable)
    found = files.expand("sub/1*", str(fence))  # the limit is one of the run, not of a pattern
    assert isinstance(found, Unreachable)
    assert "names" in found.reason


def test_patterns_do_not_leave_the_fence(fence: Path) -> None:
    (fence / "way").symlink_to("..")
    found = Files([fence]).expand("way/*", str(fence))
    paths = [] if isinstance(found, Unreachable) else [path for _, path in found]
    assert all(isinstance(Files([fence]).read(path), Unreachable) for path in paths)
    found = Files([fence]).expand("*/secret", str(fence))
    assert not isinstance(found, Unreachable)
    assert found
    assert all(isinstance(Files([fence]).real(path), Unreachable) for _, path in found)


def test_a_root_holds_all_paths_links_included(tmp_path: Path) -> None:
    root = tmp_path / "image"
    write(root, **{"etc/nginx/nginx.conf": "include /etc/nginx/conf.d/*.conf;", "etc/nginx/conf.d/a.conf": "user a;"})
    write(root, **{"live/cert.pem": "pem"})
    (root / "etc/ssl").mkdir()
    (root / "etc/ssl/cert.pem").symlink_to("/live/cert.pem")
    (root / "etc/ssl/up.pem").symlink_to("../../../../../../live/cert.pem")
    (root / "etc/ssl/passwd").symlink_to("/etc/passwd")
    files = Files([], root=root)
    tree = read_tree(root / "etc/nginx/nginx.conf", files)
    assert flat(tree) == ["user a"]
    assert files.read("/etc/ssl/cert.pem") == b"pem"
    assert files.read("/etc/ssl/up.pem") == b"pem"
    assert isinstance(files.read("/etc/ssl/passwd"), Unreachable)


def test_maps_are_asked_first_the_longest_before_others(tmp_path: Path) -> None:
    write(tmp_path, **{"deploy/a.conf": "a", "tls/b.pem": "b", "repo/nginx.conf": ""})
    files = Files(
        [tmp_path / "repo"], maps=[("/etc/nginx", tmp_path / "deploy"), ("/etc/nginx/tls/", tmp_path / "tls")]
    )
    assert files.read("/etc/nginx/a.conf") == b"a"
    assert files.read("/etc/nginx/tls/b.pem") == b"b"
    assert isinstance(files.read("/etc/nginxx/a.conf"), Unreachable)


def test_paths_of_the_server_are_found_by_their_ends_and_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "docker/nginx/nginx.conf": "include /etc/nginx/conf.d/*.conf; include /etc/nginx/mime.types;",
            "docker/nginx/conf.d/shop.conf": "ssl_certificate /etc/ssl/private/shop.pem;",
            "docker/nginx/mime.types": "types { }",
            "files/ssl/private/shop.pem": "pem",
        },
    )
    files = Files([tmp_path])
    tree = read_tree(tmp_path / "docker/nginx/nginx.conf", files)
    assert names(tree) == ["nginx.conf", "shop.conf", "mime.types"]
    base = str(tmp_path / "docker/nginx")
    assert files.read("/etc/ssl/private/shop.pem", base) == b"pem"
    assert any(hint.endswith("for /etc/nginx") for hint in files.hints)
    assert isinstance(files.read("/etc/ssl/private/other.pem", base), Unreachable)
    assert isinstance(files.read("/etc/shop.pem", base), Unreachable)


def test_the_machines_own_files_are_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    files = Files([], root="/")
    assert files.read(str(tmp_path / "a")) == b"a"
    assert files.read("a", str(tmp_path)) == b"a"
    assert not files.hints

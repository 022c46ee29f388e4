"""Policies: those of the package, one's own, and what they object to."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from nginxtls.tls import (
    CipherString,
    Effective,
    OpenSSL,
    PolicyError,
    ServerKey,
    evaluate_groups,
    load_policy,
    policies,
    policy,
    suite,
)

OPENSSL = OpenSSL.parse("3.5.9")
NAMES = (
    "bsi-tr-02102-2", "cis-nginx", "cis-nginx-2.1", "cnsa-2.0", "mozilla-5.7-intermediate", "mozilla-5.7-modern",
    "mozilla-5.7-old", "ncsc-nl-2025", "nist-800-52r2", "pci-dss-4", "stig", "tlsref-intermediate", "tlsref-modern",
)  # fmt: skip


def folder() -> Path:
    return Path(str(resources.files("nginxtls.tls").joinpath("policies")))


def test_the_names_are_those_of_the_documentation() -> None:
    assert policies() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_is_after_the_schema_and_objects_to_nothing_unknown(name: str) -> None:
    jsonschema.validate(
        json.loads((folder() / f"{name}.json").read_text()), json.loads((folder() / "schema.json").read_text())
    )
    found = policy(name)
    assert found.name == name
    assert found.reference.startswith("https://")
    assert found.objections(Effective()) == []


@pytest.mark.parametrize("name", ["modern", "intermediate"])
def test_mozillas_names_are_aliases(name: str) -> None:
    assert policy(f"mozilla-{name}") == policy(f"tlsref-{name}")._replace(name=f"mozilla-{name}")
    assert json.loads((folder() / f"tlsref-{name}.json").read_text())["aliases"] == [f"mozilla-{name}"]


def test_ncsc_allows_reports_and_excludes() -> None:
    def judged(string: str) -> dict[bool, set[str]]:
        suites = CipherString(string).evaluate(OPENSSL).suites
        found = policy("ncsc-nl-2025").objections(Effective(suites=suites))
        return {o.advice: set(o.names) for o in found}

    assert judged("ECDHE+AESGCM:ECDHE+CHACHA20") == {}
    assert judged("DHE-RSA-AES128-GCM-SHA256") == {True: {"DHE-RSA-AES128-GCM-SHA256"}}
    assert judged("AES128-SHA:ECDHE-RSA-AES128-SHA") == {False: {"AES128-SHA", "ECDHE-RSA-AES128-SHA"}}


def test_cnsa_wants_tls13_with_mlkem1024() -> None:
    groups = evaluate_groups("MLKEM1024:X25519MLKEM768", OPENSSL).groups
    found = policy("cnsa-2.0").objections(Effective(protocols=["TLSv1.2", "TLSv1.3"], groups=groups))
    assert {(o.item, o.names) for o in found} == {("protocols", ("TLSv1.2",)), ("groups", ("X25519MLKEM768",))}


def test_cis_3_wants_tickets_and_newer_versions_of_http() -> None:
    cis = policy("cis-nginx")
    found = cis.objections(Effective(session_tickets=False, http_versions=["HTTP/1.1", "HTTP/2"], server_order=True))
    assert {(o.item, o.names) for o in found} == {
        ("session_tickets", ()), ("http_versions", ("HTTP/3",)), ("server_order", ()),
    }  # fmt: skip
    assert not cis.objections(Effective(session_tickets=True, http_versions=["HTTP/1.1", "HTTP/2", "HTTP/3"]))
    assert [o.item for o in policy("cis-nginx-2.1").objections(Effective(session_tickets=True))] == ["session_tickets"]


def test_cis_judges_upstreams() -> None:
    found = policy("cis-nginx").objections(Effective(upstream_protocols=["TLSv1.2", "TLSv1.3"]))
    assert [(o.item, o.names) for o in found] == [("upstream_protocols", ("TLSv1.2",))]


@pytest.mark.parametrize("name", NAMES)
def test_what_users_read_of_a_policy_is_no_working_note(name: str) -> None:
    found = policy(name)
    reported = " ".join([found.status, found.version, *found.notes]).lower()
    words = ("not read", "not verified", "from memory", "as far as found", "tell the user", "special message")
    assert not [word for word in words if word in reported]


@pytest.mark.parametrize("name", ["mozilla-intermediate", "mozilla-5.7-intermediate", "mozilla-modern"])
def test_a_server_set_up_after_the_policy_passes(name: str) -> None:
    chosen = policy(name)
    allowed = chosen.items["suites"]["allowed"]
    effective = Effective(
        protocols=chosen.items["protocols"]["allowed"],
        suites=CipherString(":".join(allowed)).evaluate(OPENSSL).suites if allowed else (),
        ciphersuites=[s for n in chosen.items["ciphersuites"]["allowed"] if (s := suite(n))],
        groups=evaluate_groups(":".join(chosen.items["groups"]["allowed"]), OPENSSL).groups,
        keys=[ServerKey("EC", 256, "prime256v1")],
        lifetime_days=90,
        hsts_age=63072000,
        server_order=False,
    )
    assert chosen.objections(effective) == []


def test_objections_name_item_clause_and_things() -> None:
    suites = CipherString("AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256").evaluate(OPENSSL).suites
    effective = Effective(protocols=("TLSv1", "TLSv1.2"), suites=suites, keys=[ServerKey("RSA", 1024)], hsts_age=0)
    found = {o.item: o for o in policy("mozilla-intermediate").objections(effective) if o.names or o.item == "hsts"}
    assert found["suites"].names == ("AES128-SHA",)
    assert "TLS_RSA_WITH_AES_128_CBC_SHA" in found["suites"].message
    assert found["key"].names == ("RSA 1024",)
    assert found["hsts"].date == "2026-04-06"
    assert {o.names for o in policy("mozilla-intermediate").objections(effective) if o.item == "protocols"} == {
        ("TLSv1",),
        ("TLSv1.3",),
    }


def test_what_is_discouraged_is_advice() -> None:
    suites = CipherString("ECDHE-RSA-AES128-SHA256").evaluate(OPENSSL).suites
    (objection,) = policy("bsi-tr-02102-2").objections(Effective(suites=suites))
    assert objection.advice


def test_unknown_names_are_refused_in_words() -> None:
    with pytest.raises(PolicyError, match="no policy 'pci'; use one of"):
        policy("pci")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nsuites: {allowed: [NOPE]}\n", "no cipher suite 'NOPE'"),
        ("name: x\nsuits: {}\n", "did you mean 'suites'"),
        ("name: x\nhsts: {minimum_age: soon}\n", "hsts: minimum_age: must be an integer"),
        ("name: x\nprotocols: {}\n", "'allowed' is missing"),
        ("name: x\nprotocols: {allowed: [TLS13]}\n", "'TLS13' is not one of"),
        ("a: [\n", "line 2: not YAML"),
        ("a: &a\n - *a\n", "line 2: not YAML: aliases are not allowed"),
        ("- 1\n- 2\n", "must be an object"),
    ],
)
def test_a_faulty_policy_says_what_is_wrong_and_where(text: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        load_policy(text)


def test_ones_own_policy(tmp_path: Path) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text(
        "name: ours\nprotocols:\n  allowed: [TLSv1.3]\nsuites:\n  allowed: [TLS_RSA_WITH_AES_128_CBC_SHA]\n"
    )
    (objection,) = load_policy(file).objections(
        Effective(protocols=("TLSv1.2", "TLSv1.3"), suites=[s for s in [suite("AES128-SHA")] if s])
    )
    assert (objection.item, objection.policy, objection.names) == ("protocols", "ours", ("TLSv1.2",))

"""Challenges that only the default server answers, by what the ACME client's settings say."""

from __future__ import annotations

from pathlib import Path

import pytest

import nginxtls

FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ("authenticator = webroot", True),
        ("authenticator = dns-cloudflare", False),
        ("authenticator = nginx", False),
        ("", True),
    ],
)
def test_a_challenge_of_another_kind_does_not_need_the_location(settings: str, found: bool, tmp_path: Path) -> None:
    home = tmp_path / "etc/letsencrypt"
    main = tmp_path / "etc/nginx/nginx.conf"
    for folder in (home / "live/example.com", home / "renewal", main.parent):
        folder.mkdir(parents=True)
    for name, file in (("good.pem", "fullchain.pem"), ("good.key", "privkey.pem")):
        (home / "live/example.com" / file).write_bytes((FIXTURES / "certificates" / name).read_bytes())
    if settings:
        (home / "renewal/example.com.conf").write_text(f"{settings}\n")
    fixture = FIXTURES / "rules/redirects/shadowed-acme-challenge/bad-default-only.conf"
    main.write_text(fixture.read_text().replace("# expect", "# "))
    report = nginxtls.check(main, root=str(tmp_path))
    assert ("shadowed-acme-challenge" in {finding.rule for finding in report.findings}) is found

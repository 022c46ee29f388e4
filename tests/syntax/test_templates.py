"""Templates: masked, never rendered; places stay true, branches are told apart, defaults are used as likely."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nginxtls.syntax import UNKNOWN, SourceFile
from nginxtls.syntax.reading import source
from nginxtls.syntax.words import FILL, MASK


def read(text: str) -> SourceFile:
    file = source("t", text)
    assert len(file.masked) == len(text)
    return file


def lines(file: SourceFile) -> list[str]:
    """Every directive with its place; `?` stands for what is not known."""
    return [
        f"{d.line}:{d.column} {' '.join((d.name, *d.args)).replace(UNKNOWN, '?')}"
        + ("{" if d.block is not None else "")
        for d in file.walk()
    ]


def branches(file: SourceFile) -> dict[str, list[str]]:
    """For each directive the conditions it stands under, `!` before those that must not hold."""
    return {
        " ".join((d.name, *d.args)).replace(UNKNOWN, "?"): [
            "!" * number + file.conditions[key].text for key, number in d.branch
        ]
        for d in file.walk()
    }


@pytest.mark.parametrize(
    ("text", "engine"),
    [
        ("listen {{ port }} ssl;", "go"),
        ("listen {{ port }} ssl;{% set a = 1 %}", "jinja"),
        ("listen <%= @port %> ssl;", "erb"),
        ("listen ${PORT} ssl;", "envsubst"),
        ("listen $PORT ssl;", "envsubst"),
        ("listen __PORT__ ssl;", "placeholder"),
        ("listen @PORT@ ssl;", "placeholder"),
        ("listen %%port%% ssl;", "placeholder"),
        ("listen %{port} ssl;", "placeholder"),
        ("listen {{{ port }}} ssl;", "go"),
    ],
)
def test_values_of_every_engine(text: str, engine: str) -> None:
    file = read(text)
    assert engine in file.engines
    (directive,) = file.directives
    assert directive.args == (UNKNOWN, "ssl")
    assert not directive.known
    span = directive.arg_span(1)
    assert text[span.column - 1 : span.end_column - 1] == "ssl"
    assert directive.arg_text(0) in text
    assert not file.problems


def test_nginx_variables_are_no_template() -> None:
    file = read(
        "map $a $UPPER { default b; } log_format x '$UPPER ${host} $request_uri'; set $b ${UPPER2}a; return 200 a@b;"
    )
    assert file.directives[1].args == ("x", "$UPPER ${host} $request_uri")
    file = read("location ~ ^/(?<NAME>.+)$ { root /srv/$NAME; } if ($http_x ~ a{2}) { }")
    assert file.directives[0].block
    assert file.directives[0].block[0].args == ("/srv/$NAME",)


def test_values_inside_words_strings_and_names() -> None:
    file = read(
        "server_name {{ a }}.example.com www.{{ b }};\n"
        'add_header X "{{ c }}; {{ d }}";\n{{ e }}_pass http://{{ f }}:{{ g }}/;'
    )
    assert lines(file) == [
        "1:1 server_name ?.example.com www.?",
        "2:1 add_header X ?; ?",
        "3:1 ?_pass http://?:?/",
    ]


def test_a_value_alone_on_its_line_is_an_unknown_directive() -> None:
    file = read('server {\n  {{ extra }}\n  listen 80;\n  <%= more -%>\n}\n{{ include "x" . }}')
    assert lines(file) == ["1:1 server{", "2:3 ?", "3:3 listen 80", "4:3 ?", "6:1 ?"]
    assert not file.problems


def test_a_value_over_several_lines_keeps_the_places_after_it() -> None:
    file = read("listen {{ a\n  | b\n}} ssl; root /x;")
    assert lines(file) == ["1:1 listen ? ssl", "3:9 root /x"]


def test_template_comments_and_silent_tags_leave_nothing() -> None:
    file = read(
        "{# a; { #}listen{# b #} 80;{% set x = '{' %} {{- /* c } */ -}} {{ $y := 1 }}<%# d; %><%\n z = 1 %>root /x;"
    )
    assert [line.partition(" ")[2] for line in lines(file)] == ["listen 80", "root /x"]


def test_tags_in_comments() -> None:
    file = read("# {{ a }} {% if b %}\nlisten 80;\n# {% endif %}\n# {% if c %} d {% endif %}\nroot /x;")
    assert [line.partition(" ")[2] for line in lines(file)] == ["listen 80", "root /x"]


# -- branches ---------------------------------------------------------------------------------------------------------

ALTERNATIVES = {
    "jinja": "{% if a %}\nroot /1;\n{% elif b %}\nroot /2;\n{%- else -%}\nroot /3;\n{% endif %}\nroot /4;",
    "erb": "<% if a -%>\nroot /1;\n<% elsif b -%>\nroot /2;\n<%- else -%>\nroot /3;\n<% end %>\nroot /4;",
    "epp": "<% if a { -%>\nroot /1;\n<% } elsif b { -%>\nroot /2;\n<% } else { -%>\nroot /3;\n<% } -%>\nroot /4;",
    "go": "{{ if a }}\nroot /1;\n{{- else if b }}\nroot /2;\n{{ else }}\nroot /3;\n{{ end }}\nroot /4;",
    "kong": "error_log ${{LOG}};\n> if a then\nroot /1;\n> elseif b then\nroot /2;\n> else\nroot /3;\n> end\nroot /4;",
}


@pytest.mark.parametrize("engine", ALTERNATIVES)
def test_alternatives(engine: str) -> None:
    file = read(ALTERNATIVES[engine])
    assert not file.problems
    found = branches(file)
    assert found["root /1"] == ["a"]
    assert found["root /2"] == ["!a", "b"]
    assert found["root /3"] == ["!a", "!b"]
    assert found["root /4"] == []


@pytest.mark.parametrize(
    "text",
    [
        "{% unless a %}root /1;{% else %}root /2;{% endunless %}",
        "{% if not a %}root /1;{% else %}root /2;{% endif %}",
        "<% unless a %>root /1;<% else %>root /2;<% end %>",
        "<% if !a %>root /1;<% else %>root /2;<% end %>",
        "{{ if not a }}root /1;{{ else }}root /2;{{ end }}",
        "{{#unless a}}root /1;{{else}}root /2;{{/unless}}",
    ],
)
def test_denied_conditions(text: str) -> None:
    found = branches(read(text))
    assert found["root /1"] == ["!a"]
    assert found["root /2"] == ["a"]


def test_the_same_condition_has_the_same_number_everywhere() -> None:
    file = read(
        "{% if tls %}listen 443 ssl;{% endif %} root /x; {% if  tls %}ssl_certificate a;{% else %}listen 80;{% endif %}"
    )
    first, _, second, third = file.directives
    assert first.branch == second.branch
    assert third.branch == ((first.branch[0][0], 1),)


def test_cases() -> None:
    for text in (
        "<% case a %>\n<% when 'x' %>root /1;\n<% when 'y' %>root /2;\n<% else %>root /3;<% end %>",
        "{% case a %}{% when 'x' %}root /1;{% when 'y' %}root /2;{% else %}root /3;{% endcase %}",
    ):
        found = branches(read(text))
        assert found["root /1"] == ["'x'"]
        assert found["root /2"] == ["!'x'", "'y'"]
        assert found["root /3"] == ["!'x'", "!'y'"]


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in b %}listen {{ a }};{% endfor %}root /x;",
        "<% @a.each do |b| %>listen <%= b %>;<% end %>root /x;",
        "<% $a.each |$b| { -%>listen <%= $b %>;<% } -%>root /x;",
        "<% @a.each { |b| %>listen <%= b %>;<% } %>root /x;",
        "{{ range $a := .B }}listen {{ $a }};{{ end }}root /x;",
        "{{#each a}}listen {{this}};{{/each}}root /x;",
        '{{ define "x" }}listen {{ . }};{{ end }}root /x;',
    ],
)
def test_loops_may_be_empty(text: str) -> None:
    file = read(text)
    listen, root = file.directives
    assert listen.args == (UNKNOWN,)
    assert len(listen.branch) == 1
    assert root.branch == ()


def test_a_condition_inside_a_directive_is_unknown_text() -> None:
    file = read(
        "listen 443 ssl{% if h2 %} http2{% endif %} reuseport;\n"
        "listen {% if a %}80{% else %}81{% endif %};\nx 'a{% if b %};{% endif %}c';"
    )
    assert lines(file) == ["1:1 listen 443 ssl ? reuseport", "2:1 listen ?", "3:1 x a?c"]


def test_alternative_beginnings_of_one_directive() -> None:
    file = read("{% if a %}listen 443 ssl{% else %}listen 80{% endif %} reuseport;\nroot /x;")
    first, second = file.directives
    assert first.name == "listen"
    assert "443" not in first.args
    assert second.args == ("/x",)


def test_a_directive_that_ends_in_each_branch() -> None:
    file = read("listen 443 {% if a %}ssl;{% else %};{% endif %}\nroot /x;")
    assert lines(file) == ["1:1 listen 443 ssl", "2:1 root /x"]


def test_alternative_heads_of_one_block() -> None:
    file = read(
        "{% if a %}\nserver {\n  listen 443;\n{% else %}\nserver {\n  listen 80;\n{% endif %}\n  root /x;\n}\nuser b;"
    )
    assert not [p for p in file.problems if p.fatal]
    first, second, user = file.directives
    assert [d.name for d in first.block or []] == ["listen", "root"]
    assert [d.name for d in second.block or []] == ["listen", UNKNOWN]  # what follows comes into it, too
    assert user.parent is None


def test_a_block_opened_and_closed_under_the_same_condition() -> None:
    file = read("{% if a %}http {\n{% endif %}server { }\n{% if a %}}\n{% endif %}user b;")
    assert not file.problems
    http, user = file.directives
    assert [d.name for d in http.block or []] == ["server"]
    assert user.name == "user"


# -- defaults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "{{ p | default('TLSv1.2 TLSv1.3') }}",
        '{{ p|d("TLSv1.2 TLSv1.3", true) | trim }}',
        "{{ p | default(['TLSv1.2', 'TLSv1.3']) | join(' ') }}",
        "{{ p or 'TLSv1.2 TLSv1.3' }}",
        '{{ p | default: "TLSv1.2 TLSv1.3" }}',
        "<%= @p || 'TLSv1.2 TLSv1.3' %>",
        '<%= node.fetch("p", "TLSv1.2 TLSv1.3") %>',
        '{{ default "TLSv1.2 TLSv1.3" .Values.p }}',
        '{{ .Values.p | default "TLSv1.2 TLSv1.3" }}',
        '{{ or .p "TLSv1.2 TLSv1.3" }}',
        '{{ getenv "P" "TLSv1.2 TLSv1.3" }}',
        "${P:-TLSv1.2 TLSv1.3}",
        "${P:=TLSv1.2 TLSv1.3}",
        "{{ salt['pillar.get']('nginx:p', 'TLSv1.2 TLSv1.3') }}",
        "{{ site.get('p', 'TLSv1.2 TLSv1.3') | trim }}",
        "<%= pick($p, 'TLSv1.2 TLSv1.3') %>",
        "'{{ p | default('TLSv1.2 TLSv1.3') }}'",
    ],
)
def test_defaults_are_used_and_likely(value: str) -> None:
    directive = read(f"ssl_protocols {value};").directives[0]
    assert " ".join(directive.args) == "TLSv1.2 TLSv1.3"
    assert directive.likely
    assert directive.known
    assert directive.arg_text(0) == value


def test_defaults_inside_words() -> None:
    file = read("listen {{ ip | default('1.2.3.4') }}:{{ port | default(443) }} {{ x }}{{ y | default('z') }};")
    assert file.directives[0].args == ("1.2.3.4:443", UNKNOWN + "z")
    assert not file.directives[0].known


@pytest.mark.parametrize(
    "value",
    [
        "{{ p | default(q) }}",
        "{{ p | default('a') | map('b') }}",
        "{{ p | default(true) }}",
        "{{ p.get('a', b) }}",
        "{{ p.get('a', 'b') | map('c') }}",
        "${P:?not set}",
        '<%= @p || "#{q}" %>',
        "{{ p }}",
    ],
)
def test_what_is_no_default(value: str) -> None:
    directive = read(f"ssl_protocols {value};").directives[0]
    assert directive.args == (UNKNOWN,)
    assert not directive.likely


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "listen 80;\n{% if a %}\nroot /x;",
        "listen 80;\n{% endif %}\nroot /x;",
        "listen 80;\n<% if a %>\nroot /x;",
        "listen 80;\n{{ end }}\nroot /x;",
        "listen 80;\n{% if a\nroot /x;",
        "listen 80;\nserver_name {{ a\nroot /x;",
        "listen 80;\n{% if a %}{% for b in c %}\nroot /x;{% endif %}\n",
    ],
)
def test_half_a_template_is_read_as_far_as_it_goes(text: str) -> None:
    file = read(text)
    assert file.problems
    assert not any(problem.fatal for problem in file.problems)
    assert "listen" in [d.name for d in file.walk()]


def test_halves_of_a_block_are_read() -> None:
    """Puppet's modules put a block together from two files."""
    head = read("server {\n  listen <%= @port %>;\n")
    assert [(p.message, p.fatal) for p in head.problems] == [
        ('the block "server" is not closed in this template', False)
    ]
    assert lines(head) == ["1:1 server{", "2:3 listen ?", "3:1 ?"]
    foot = read("  root <%= @root %>;\n}\n")
    assert [p.message for p in foot.problems] == ['this "}" closes a block that is not opened in this template']
    assert lines(foot) == ["1:3 root ?"]


def test_two_engines_in_one_file() -> None:
    file = read("{% if a %}listen ${PORT};{% endif %}\nserver_name <%= b %> {{ c }} $HOST;")
    assert set(file.engines) >= {"jinja", "erb", "envsubst"}
    assert lines(file) == ["1:11 listen ?", "2:1 server_name ? ? ?"]


def test_raw_text_is_no_template() -> None:
    file = read("{% raw %}return 200 '{{ a }}';{% endraw %}\nroot {{ b }};")
    assert lines(file) == ["1:10 return 200 {{ a }}", "2:1 root ?"]


def test_lua_is_no_template() -> None:
    file = read("content_by_lua_block { local t = {{1, 2}, {3}} if t then end }\nroot {{ b }};")
    assert file.directives[0].args == (" local t = {{1, 2}, {3}} if t then end ",)
    assert file.directives[1].args == (UNKNOWN,)


def test_what_follows_lua_is_read() -> None:
    file = read(
        'server {\n  preread_by_lua_block {\n    ngx.var.a = "tcp-{{ .Name }}-{{ .Port }}"; -- it\'s {\n  }\n'
        "  {{ if .Tls }}\n  listen {{ .Port }} ssl;\n  {{ end }}\n  proxy_pass a;\n}\n"
    )
    assert not file.problems
    assert lines(file)[2:] == ["6:3 listen ? ssl", "8:3 proxy_pass a"]
    assert branches(file)["listen ? ssl"] == [".Tls"]


def test_lines_of_lua_in_templates_of_kong() -> None:
    file = read(
        "error_log ${{LOG}};\n>-- root /0;\n> local x = 1\n> for i = 1, #cert do\nssl_certificate $(cert[i]);\n> end\n"
        "$(el.name) $(tostring(el.value));\n"
    )
    assert lines(file) == ["1:1 error_log $?", "5:1 ssl_certificate ?", "7:1 ? ?"]


def test_captured_text_is_not_put_out() -> None:
    assert lines(read("{% set a %}listen 80;{% endset %}{% comment %}listen 81;{% endcomment %}root /x;")) == [
        "1:73 root /x"
    ]


def test_several_openings_in_one_tag() -> None:
    file = read(
        "<% a.each do |b|\n if b %>root /1;<% end\n end %>\nroot /2;\n"
        "<% c.each do |d|\n d.each do |e| -%>root /3;\n<% end %><% end %>root /4;"
    )
    assert not file.problems
    assert [len(d.branch) for d in file.directives] == [2, 0, 2, 0]


pieces = st.sampled_from(
    "listen 80;|server {|}|'|\"|#|\n| |;|é|add_header X 'y z'|x_by_lua_block {|\\|${D}|{{|{%|%}|}}|<%|%>|{# c #}"
    "|{% if a %}|{% else %}|{% endif %}|{% for x in y %}|{% endfor %}|{% set q %}|{% endset %}|{% raw %}|{% endraw %}"
    "|<% if a %>|<%= b %>|<% end %>|{{ if c }}|{{ end }}|{{ v }}|{{ v | default('w') }}".split("|")
)


@settings(max_examples=400, deadline=None)
@given(st.lists(pieces, max_size=25).map("".join))
def test_any_template_is_read(text: str) -> None:
    file = read(text)
    assert all(kept in (was, " ", MASK, FILL) for was, kept in zip(text, file.masked, strict=True))
    for directive in file.walk():
        places = directive.words
        assert len(places) == len(directive.args) + 1
        assert all(start <= end <= len(text) for start, end in places)
        assert {key for key, _ in directive.branch} <= set(file.conditions)
        _ = directive.likely, directive.span
    assert not any(problem.fatal for problem in file.problems) or not file.engines


TAGS = [
    # if, else if, else, end; loop, end; a value, a comment
    (
        "{% if a %}",
        "{%- elif b -%}",
        "{% else %}",
        "{% endif %}",
        "{% for a\n in b %}",
        "{% endfor %}",
        "{{ v }}",
        "{# ; { #}",
    ),
    (
        "<% if a -%>",
        "<% elsif b %>",
        "<%- else -%>",
        "<% end %>",
        "<% a.each do |b|\n -%>",
        "<% end %>",
        "<%= v %>",
        "<%# ; { %>",
    ),
    (
        "<% if a { %>",
        "<% } elsif b { -%>",
        "<% } else { %>",
        "<% } -%>",
        "<% $a.each |$b| { %>",
        "<% } %>",
        "<%= v %>",
        "<%# } %>",
    ),
    (
        "{{ if a }}",
        "{{- else if b }}",
        "{{ else -}}",
        "{{ end }}",
        "{{ range\n .a }}",
        "{{- end }}",
        "{{ .v }}",
        "{{/* ; } */}}",
    ),
]


@st.composite
def written(draw: st.DrawFn) -> tuple[str, list[tuple[int, int, str]]]:
    """A template, and the places of the directives in it by line and column, each with its name."""
    first, second, third, end, loop, last, value, comment = draw(st.sampled_from(TAGS))
    text = ""
    found: list[tuple[int, int, str]] = []

    def put(piece: str, name: str = "") -> None:
        nonlocal text
        if name:
            found.append((text.count("\n") + 1, len(text) - text.rfind("\n"), name))
        text += piece + draw(st.sampled_from([" ", "\n", "\n  ", "\r\n\t", f" {comment}\n"]))

    def lines(depth: int) -> None:
        for _ in range(draw(st.integers(0, 3))):
            kind = draw(st.integers(0, 6 if depth else 2))
            name = f"d{len(found)}"
            if kind == 0:
                put(f"{name} é {value}x;", name)
            elif kind == 1:
                put(f'{name} "a;{value}{{" b{value};', name)
            elif kind == 2:
                put(f"{name} # it's {value} {{\n c;", name)
            elif kind == 3:
                put(f"{name} {value} {{", name)
                lines(depth - 1)
                put("}")
            elif kind == 4:
                put(f'{name}_by_lua_block {{ local a = {{ "it\'s" }} }}', f"{name}_by_lua_block")
            elif kind == 5:
                put(loop)
                lines(depth - 1)
                put(last)
            else:
                for tag in (
                    first,
                    *draw(st.lists(st.just(second), max_size=2)),
                    *draw(st.lists(st.just(third), max_size=1)),
                ):
                    put(tag)
                    lines(depth - 1)
                put(end)

    put(f"first {value};", "first")
    lines(3)
    return text, found


@settings(max_examples=300, deadline=None)
@given(written())
def test_every_directive_of_a_template_is_at_its_place(template: tuple[str, list[tuple[int, int, str]]]) -> None:
    text, expected = template
    file = read(text)
    assert not file.problems
    assert sorted((d.line, d.column, d.name) for d in file.walk()) == sorted(expected)
    for directive in file.walk():
        assert text[directive.start :].startswith(directive.name)

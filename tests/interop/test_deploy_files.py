"""The shipped configurations of programs that are not run here, as far as they can be checked without them."""

import re
import subprocess
from pathlib import Path
from xml.dom import minidom

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"

STUBS = r"""
sent = {}
freeswitch = {
  Event = function(kind)
    local event = { kind = kind }
    function event:addHeader(name, value) sent[#sent + 1] = name .. "=" .. value end
    function event:fire() sent[#sent + 1] = "fired " .. self.kind end
    return event
  end,
  API = function() return { executeString = function(_, command) sent[#sent + 1] = command end } end,
  Session = function(uuid)
    local known = { ocs_max = "60", ocs_session = "abcdefghijklmnop" }
    return { getVariable = function(_, name) return known[name] end }
  end,
}
env = { getHeader = function(_, name) return HEADERS[name] end }
"""


def run_lua(directory: Path, arguments: str, headers: str = "") -> list[str]:
    """What credit.lua does where FreeSWITCH is played by stubs: commands, and headers of the events it fires."""
    program = f"HEADERS = {{{headers}}}\nargv = {{{arguments}}}\n{STUBS}"
    program += f'dofile("{DEPLOY / "freeswitch/credit.lua"}")\nprint(table.concat(sent, "\\0"))'
    path = directory / "play.lua"
    path.write_text(program)
    done = subprocess.run(["lua", str(path)], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.rstrip("\n").split("\0")


@pytest.mark.needs("lua")
def test_freeswitch_arms_the_cap_and_reports_the_answer(tmp_path: Path) -> None:
    sent = run_lua(tmp_path, '"start", "uuid-1"')
    assert sent[0] == "sched_hangup +60 uuid-1 ALLOTTED_TIMEOUT"
    assert "fired NOTIFY" in sent
    extra = next(line for line in sent if line.startswith("extra-headers="))
    assert extra.splitlines() == [
        "extra-headers=X-OCS-Event: start",
        "X-OCS-Session: abcdefghijklmnop",
        "X-OCS-Duration-Ms: 0",
    ]


@pytest.mark.needs("lua")
@pytest.mark.parametrize(("milliseconds", "kind"), [("2504", "stop"), ("0", "release")])
def test_freeswitch_reports_the_end(tmp_path: Path, milliseconds: str, kind: str) -> None:
    headers = 'variable_ocs_session="abcdefghijklmnop", variable_hangup_cause_q850="16", '
    headers += f'variable_billmsec="{milliseconds}"'
    sent = "\n".join(run_lua(tmp_path, '"end"', headers))
    assert f"X-OCS-Event: {kind}" in sent
    assert f"X-OCS-Duration-Ms: {milliseconds}" in sent
    assert "Reason: Q.850;cause=16" in sent


@pytest.mark.needs("lua")
def test_freeswitch_says_nothing_of_a_call_that_was_refused(tmp_path: Path) -> None:
    assert run_lua(tmp_path, '"end"') == [""]


@pytest.mark.parametrize("name", ["credit.xml", "redirected.xml"])
def test_freeswitch_dialplans_are_well_formed(name: str) -> None:
    assert minidom.parse(str(DEPLOY / "freeswitch" / name)).documentElement.tagName == "include"


def test_asterisk_takes_the_contact_apart_as_its_template_puts_it_together() -> None:
    text = (DEPLOY / "asterisk/extensions.conf").read_text()
    [template] = re.findall(r'contact = "sip:(\S+)@', text)
    parts = template.split("-")
    found = dict(re.findall(r"Set\((OCS_\w+)=\$\{CUT\(EXTEN,-,(\d)\)\}", text))
    fields = {name: parts[int(position) - 1] for name, position in found.items()}
    assert fields == {"OCS_MAX": "{max}", "OCS_SESSION": "{sid}", "OCS_CALLED": "{b}"}


def test_opensips_braces_and_routes() -> None:
    text = re.sub(r'#.*|"(\\.|[^"\\])*"', "", (DEPLOY / "opensips/redirect.cfg").read_text())
    assert text.count("{") == text.count("}")
    defined = set(re.findall(r"^(?:\w+_)?route\[(\w+)\]", text, re.M))
    assert set(re.findall(r"^\s+.*?\broute\((\w+)\)", text, re.M)) <= defined

"""Configuration: strict, with file and line; the shipped file is the defaults, complete and explained."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from ocs.config import TABLES, Config, ConfigError, load

SHIPPED = Path(__file__).parents[2] / "config.toml"


def written(tmp_path, text):
    path = tmp_path / "ocs.toml"
    path.write_text('[http]\nauth = "off"\n' + text)
    return path


def test_the_shipped_file_is_the_defaults_but_for_auth():
    config = load(SHIPPED, {})
    for name, kind in TABLES.items():
        expected = kind(auth="off") if name == "http" else kind()
        assert getattr(config, name) == expected, name


def test_the_shipped_file_has_every_key_explained():
    lines = SHIPPED.read_text().splitlines()
    document = tomllib.loads(SHIPPED.read_text())

    def check(kind, table, name):
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        assert set(table) == set(fields), name
        for key, value in table.items():
            if isinstance(value, dict):
                check(fields[key].type, value, f"{name}.{key}")
            elif isinstance(value, list) and value and isinstance(value[0], dict):
                default = fields[key].default
                check(type(default[0]), value[0], f"{name}.{key}")

    assert set(document) == set(TABLES)
    for name, kind in TABLES.items():
        check(kind, document[name], name)
    for number, line in enumerate(lines):
        if " = " in line and not line.startswith("#"):
            assert lines[number - 1].startswith("# "), f"line {number + 1} is not explained: {line}"


def test_without_a_file_the_defaults_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load(None, {}) == load(SHIPPED, {})


def test_a_file_is_open_only_where_it_says_so(tmp_path):
    path = tmp_path / "ocs.toml"
    path.write_text("[daemon]\nworkers = 2\n")
    with pytest.raises(ConfigError, match="tokens"):
        load(path, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[diametr]\nport = 1\n", r"ocs\.toml:3: there is no table \[diametr\] \(did you mean 'diameter'\?\)"),
        ("[diameter]\n\nprot = 1\n", r"ocs\.toml:5: \[diameter\] has no key 'prot' \(did you mean 'port'\?\)"),
        ('[diameter]\nport = "x"\n', r"ocs\.toml:4: \[diameter\] port: Expected `int`, got `str`"),
        ("[diameter]\norigin_host = 'a'\nport = 70000\n", r"ocs\.toml:5: \[diameter\] port 70000 is none"),
        ("[daemon]\nworkers = 0\n", r"ocs\.toml:4: \[daemon\] workers must be between 1 and 256"),
        ('[daemon]\nlog_level = "loud"\n', r"ocs\.toml:4: \[daemon\] log_level: Invalid enum value 'loud'"),
        ('[balances]\nurl = "http://x"\n', r"ocs\.toml:4: \[balances\] url: http: a store's URL begins with"),
        ('[balances]\nurl = "redis+sentinel://x"\n', r"ocs\.toml:4: .*name of the service"),
        ('[balances]\nurl = "redis+cluster://x/0"\n', r"ocs\.toml:4: .*no databases"),
        (
            "[sip_credit]\n[[sip_credit.peers]]\nname = 1\n",
            r"ocs\.toml:5: \[sip_credit\] peers\.0\.name: Expected `str`",
        ),
        ("[sip_credit.timers]\nt9 = 1\n", r"ocs\.toml:4: \[sip_credit\] has no key 't9'"),
        ("[daemon\n", r"ocs\.toml: .*line 3"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load(written(tmp_path, text), {})


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml: No such file"):
        load(tmp_path / "nowhere.toml", {})


def test_the_environment_overrides_a_key(tmp_path):
    config = load(
        written(tmp_path, "[diameter]\nport = 1\n"),
        {
            "OCS_DIAMETER__PORT": "0",
            "OCS_DIAMETER__ALLOWED_PEERS": '["a", "b"]',
            "OCS_DIAMETER__ORIGIN_HOST": "0123",
            "OCS_BALANCES__URL": "unix:///run/v.sock",
            "OCS_BALANCES__TIMEOUT": "2",
            "OCS_BALANCES__JOURNAL": "false",
            "OCS_DAEMON__LOG_LEVEL": "error",
            "OCS_URL": "no table, so none of ours",
            "HOME": "/",
        },
    )
    assert config.diameter.port == 0
    assert config.diameter.allowed_peers == ("a", "b")
    assert config.diameter.origin_host == "0123", "text stays text"
    assert config.balances.url == "unix:///run/v.sock"
    assert config.balances.timeout == 2
    assert config.balances.journal is False
    assert config.daemon.log_level == "error"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("OCS_DIAMETER__PORT", "many", r"OCS_DIAMETER__PORT: \[diameter\] port: Expected `int`"),
        ("OCS_DIAMETER__PROT", "1", r"OCS_DIAMETER__PROT: \[diameter\] has no key 'prot' \(did you mean 'port'\?\)"),
        ("OCS_DIAMETR__PORT", "1", r"OCS_DIAMETR__PORT: there is no table \[diametr\]"),
        ("OCS_DAEMON__WORKERS", "-1", r"OCS_DAEMON__WORKERS: \[daemon\] workers must be"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path, variable, value, message):
    with pytest.raises(ConfigError, match=message):
        load(written(tmp_path, ""), {variable: value})


def test_travels_to_workers_as_json():
    config = load(SHIPPED, {})
    assert msgspec.json.decode(msgspec.json.encode(config), type=Config) == config

"""Kamailio in its two parts: a proxy that asks over SIP, an IMS core that asks over Diameter."""

from pathlib import Path

from tests.interop.daemon import ORIGIN_HOST, ORIGIN_REALM, ROOT, Daemon
from tests.interop.network import DIAMETER, SIP, Network, is_bound
from tests.interop.programs import Program

HERE = Path(__file__).parent
ORIGIN_HOST_OF_CORE = "ims.example.net"


def redirect_proxy(network: Network, directory: Path, *defines: str, **values: str) -> Program:
    """``deploy/kamailio/redirect.cfg`` beside our SIP door; ``values`` are its settings."""
    settings = {"PROXY_ADDRESS": network.proxy, "CREDIT_URI": f"sip:{network.server}:{SIP}", **values}
    return _kamailio("kamailio", ROOT / "deploy/kamailio/redirect.cfg", directory, settings, defines)


def in_path_proxy(network: Network, directory: Path) -> Program:
    """``deploy/kamailio/in-path.cfg`` around our SIP door."""
    settings = {
        "PROXY_ADDRESS": network.proxy,
        "CREDIT_URI": f"sip:{network.server}:{SIP}",
        "CREDIT_ADDRESS": network.server,
    }
    return _kamailio("kamailio", ROOT / "deploy/kamailio/in-path.cfg", directory, settings)


def ims_core(network: Network, directory: Path, daemon: Daemon, credits: int, buffer: int) -> Program:
    """``kamailio-ims.cfg``, connected to our Diameter door."""
    values = {
        "origin_host": ORIGIN_HOST_OF_CORE,
        "realm": ORIGIN_REALM,
        "server": network.server,
        "proxy": network.proxy,
    }
    peer = directory / "cdp.xml"
    peer.write_text((HERE / "cdp.xml").read_text().format(port=DIAMETER, **values))
    settings = {
        "PROXY_ADDRESS": network.proxy,
        "CDP_FILE": str(peer),
        "ORIGIN_HOST": values["origin_host"],
        "SERVER_HOST": ORIGIN_HOST,
        "REALM": ORIGIN_REALM,
        "CREDITS": str(credits),
        "BUFFER": str(buffer),
    }
    core = _kamailio("kamailio-ims", HERE / "kamailio-ims.cfg", directory, settings)
    core.wait_until("an open connection", lambda: ORIGIN_HOST_OF_CORE in daemon.open_peers())
    return core


def _kamailio(
    name: str, config: Path, directory: Path, settings: dict[str, str], defines: tuple[str, ...] = ()
) -> Program:
    place = directory / name
    place.mkdir(exist_ok=True)
    command = ["kamailio", "-f", str(config), "-DD", "-E", "-m", "64", "-M", "8"]
    command += ["-w", str(place), "-Y", str(place), "-P", str(place / "pid")]
    for key, value in settings.items():
        command += ["--substdef", f"!{key}!{value}!g"]
    for define in defines:
        command += ["-A", define]
    program = Program(name, command, directory)
    program.wait_until("its port", lambda: is_bound(settings["PROXY_ADDRESS"], SIP))
    return program

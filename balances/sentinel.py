"""The link to a master that Sentinels watch: they are asked at every connect, and it is asked whether it is one."""

import msgspec

from balances.ledger import Unavailable
from balances.link import Call, Connection, Link, ReplyError
from balances.target import Target


class SentinelLink(Link):
    """A link that finds the master anew whenever its connection breaks, or answers that it is no master any more."""

    async def _locate(self) -> Target:
        problems = []
        for host, port in self.target.nodes:
            asked = Link(
                msgspec.structs.replace(self.target.at(host, port), db=0, username="", password=""),
                name=f"{self.name}-sentinel",
                timeout=self._timeout / 2,
            )
            try:
                await asked.open(patience=0.0)
                found = await asked.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.target.service)
            except (Unavailable, ReplyError) as problem:
                problems.append(str(problem))
                continue
            finally:
                await asked.close()
            if found:
                return self.target.at(found[0].decode(), int(found[1]))
            problems.append(f"{host}:{port} knows no {self.target.service}")
        raise Unavailable("no Sentinel names a master: " + "; ".join(problems))

    async def _examine(self, connection: Connection) -> None:
        role = await connection.request(Call("ROLE"), ("ROLE",))
        if role[0] != b"master":
            raise Unavailable("the Sentinels name a master that is none (yet)")

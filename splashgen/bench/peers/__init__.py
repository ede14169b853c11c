"""Who is compared: one module a kind of peer. Slow starters come last, so that they delay nobody."""

from splashgen.bench.peers.adasplash import ADASPLASH1, ADASPLASH2
from splashgen.bench.peers.dense import DENSE
from splashgen.bench.peers.flex import FLEX
from splashgen.bench.peers.ours import OURS
from splashgen.bench.peers.peer import Attend, Peer
from splashgen.bench.peers.sdpa import CUDNN, FLASH2, MATH

__all__ = ["OURS", "PEERS", "Attend", "Peer", "chosen"]

PEERS: dict[str, Peer] = {
    peer.name: peer for peer in (OURS, FLASH2, CUDNN, MATH, FLEX, DENSE, ADASPLASH1, ADASPLASH2)
}


def chosen(names: list[str], skipped: list[str]) -> list[Peer]:
    """Ours, and the peers that are named and not skipped; no name means all.

    Raises
    ------
    ValueError
        If there is no such peer.
    """
    for name in (*names, *skipped):
        if name not in PEERS:
            raise ValueError(f"There is no peer {name!r}; there are {', '.join(PEERS)}.")
    wanted = names or list(PEERS)
    return [
        peer for name, peer in PEERS.items() if name == OURS.name or (name in wanted and name not in skipped)
    ]

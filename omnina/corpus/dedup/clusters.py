"""Clusters from pairs, named by their smallest member."""

from collections.abc import Iterable


class UnionFind:
    """Sets of names that grow together; the name of a set is its smallest member.

    The order in which pairs come changes nothing, so that tasks may join the same pairs in any order.
    """

    def __init__(self, names: Iterable[str] = ()):
        self._parents = {name: name for name in names}

    def smallest(self, name: str) -> str:
        """The smallest member of the set of ``name``; a name never met is a set of its own."""
        root = name
        while (parent := self._parents.get(root, root)) != root:
            root = parent
        while name != root:  # the next look-up takes one step
            self._parents[name], name = root, self._parents[name]
        return root

    def join(self, name: str, other: str) -> None:
        """Make one set of the sets of both."""
        roots = sorted((self.smallest(name), self.smallest(other)))
        for root in roots:
            self._parents.setdefault(root, root)
        self._parents[roots[1]] = roots[0]

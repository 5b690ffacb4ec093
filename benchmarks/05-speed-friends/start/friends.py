"""Friendships between users, and whom a user may know."""


class Friends:
    def __init__(self, store):
        """The store has `pairs()`, an iterator over all friendships as pairs of names, each once, in any order."""
        self.store = store

    def friends_of(self, name):
        """The names of a user's friends, in alphabetical order."""
        found = []
        for a, b in self.store.pairs():
            if a == name and b not in found:
                found.append(b)
            if b == name and a not in found:
                found.append(a)
        return sorted(found)

    def distance(self, start, end):
        """Friendships between two users on the shortest way; None if there is no way."""
        if start == end:
            return 0
        seen = [start]
        edge = [start]
        steps = 0
        while edge:
            steps = steps + 1
            new = []
            for name in edge:
                for friend in self.friends_of(name):
                    if friend == end:
                        return steps
                    if friend not in seen:
                        seen.append(friend)
                        new.append(friend)
            edge = new
        return None

    def suggestions(self, name, limit=5):
        """Users who are no friends yet, by number of common friends (most first), then by name; at least one in common."""
        candidates = []
        for friend in self.friends_of(name):
            for other in self.friends_of(friend):
                if other != name and other not in self.friends_of(name) and other not in candidates:
                    candidates.append(other)
        counted = []
        for candidate in candidates:
            common = 0
            for friend in self.friends_of(candidate):
                if friend in self.friends_of(name):
                    common = common + 1
            counted.append((-common, candidate))
        return [candidate for _, candidate in sorted(counted)][:limit]

"""IDset and Hostlist against the rules of RFC 22 and RFC 29, with random inputs."""

import random
import unittest
from typing import Any, Callable, List, Set

from flux import hostlist, idset
from flux.hostlist import Hostlist
from flux.idset import IDSET_FLAG_BRACKETS, IDSET_FLAG_RANGE, IDSET_INVALID_ID, IDset

ROUNDS = 300


def drawn(case: unittest.TestCase, check: Callable[[random.Random], None]) -> None:
    """Checks a property for many inputs; a failure names the seed."""
    for seed in range(ROUNDS):
        with case.subTest(seed=seed):
            check(random.Random(seed))


def some_ids(draw: random.Random) -> Set[int]:
    top = draw.choice([1, 5, 30, 2**31])
    return {draw.randrange(top) for _ in range(draw.randrange(12))}


class IDsets(unittest.TestCase):
    def test_text_of_a_set_is_that_set_with_ids_that_ascend(self) -> None:
        def check(draw: random.Random) -> None:
            ids = some_ids(draw)
            for flags in (0, IDSET_FLAG_RANGE, IDSET_FLAG_BRACKETS, IDSET_FLAG_RANGE | IDSET_FLAG_BRACKETS):
                text = IDset(ids).encode(flags)
                self.assertRegex(text, r"\A[0-9,\[\]-]*\Z")
                self.assertEqual(set(IDset(text)), ids)
                if not flags & IDSET_FLAG_RANGE:
                    self.assertEqual(text.strip("[]"), ",".join(map(str, sorted(ids))))
            self.assertEqual(str(IDset(str(IDset(ids)))), str(IDset(ids)))

        drawn(self, check)

    def test_operations_are_those_of_sets(self) -> None:
        def check(draw: random.Random) -> None:
            a, b = some_ids(draw), some_ids(draw)
            one, two = IDset(a), IDset(b)
            self.assertEqual(set(one + two), a | b)
            self.assertEqual(set(one | sorted(b)), a | b)
            self.assertEqual(set(one - two), a - b)
            self.assertEqual(set(one & str(two)), a & b)
            self.assertEqual((one.count(), len(one)), (len(a), len(a)))
            self.assertEqual(one.expand(), sorted(a))
            self.assertEqual(one == two, a == b)
            self.assertTrue(all(each in one for each in a))
            self.assertEqual([one.test(each) for each in b], [each in a for each in b])
            self.assertEqual(one.first(), min(a, default=IDSET_INVALID_ID))
            self.assertEqual(one.last(), max(a, default=IDSET_INVALID_ID))
            for each in b:
                above = [other for other in sorted(a) if other > each]
                self.assertEqual(one.next(each), above[0] if above else IDSET_INVALID_ID)

        drawn(self, check)

    def test_changes_in_place_return_the_set(self) -> None:
        def check(draw: random.Random) -> None:
            ids = set(range(draw.randrange(20)))
            low = draw.randrange(15)
            high = low + draw.randrange(10)
            gone = IDset(ids)
            self.assertIs(gone.clear(low, high), gone)
            self.assertEqual(set(gone), ids - set(range(low, high + 1)))
            self.assertEqual(set(IDset(ids).set(low, high)), ids | set(range(low, high + 1)))
            copy = gone.copy()
            copy += low
            copy -= [high, high + 1]
            self.assertEqual(set(copy), (set(gone) | {low}) - {high, high + 1})

        drawn(self, check)

    def test_what_breaks_a_rule_is_refused(self) -> None:
        for text in [
            "4-4", "2147483648", "0-2147483648", "5-1", "01", "0-03", "1,1", "3,2", "1-4,2", "-1", "1-", "a", "1 2",
            "[1", "1]", "1--2", "+1", "0x1", " 1", "١",
        ]:  # fmt: skip
            with self.subTest(text=text), self.assertRaises(ValueError):
                IDset(text)
        for other in [None, 1.5, [1.5], ["1"], object()]:
            with self.subTest(other=other), self.assertRaises(TypeError):
                IDset(other)  # type: ignore[arg-type]
        for ids in [[-1], [2**31]]:
            with self.subTest(ids=ids), self.assertRaises(ValueError):
                IDset(ids)

    def test_what_flux_accepts_is_accepted(self) -> None:
        for text, plain in [("0-3,", "0-3"), ("", ""), ("[]", ""), ("[1-3,5]", "1-3,5"), ("1,2,3", "1-3")]:
            self.assertEqual(str(idset.decode(text)), plain)
        self.assertEqual(str(IDset("2147483647")), "2147483647")
        self.assertEqual(IDset("0-2147483647").count(), 2**31)
        self.assertEqual(repr(IDset(3)), "IDset('3')")

    def test_items_are_bits(self) -> None:
        ids = IDset("0-3")
        ids[1] = False
        ids[7] = 1
        self.assertEqual((str(ids), ids[7], ids[1]), ("0,2-3,7", True, False))
        with self.assertRaises(TypeError):
            ids[1] = 2
        with self.assertRaises(ValueError):
            ids.test(-1)
        with self.assertRaises(TypeError):
            ids.equal("0-3")


def some_hosts(draw: random.Random) -> List[str]:
    names: List[str] = []
    for _ in range(draw.randrange(10)):
        prefix = draw.choice(["n", "n", "foo", "a-b", "", "x1y"])
        number = draw.choice(["", str(draw.randrange(12)), f"{draw.randrange(120):03}", f"{draw.randrange(12):02}"])
        name = f"{prefix}{number}{draw.choice(['', '', '-eth0', 'z'])}"
        names += [name] * draw.choice([1, 1, 2]) if name else []
    return names


class Hostlists(unittest.TestCase):
    def test_text_of_a_list_is_that_list(self) -> None:
        def check(draw: random.Random) -> None:
            names = some_hosts(draw)
            listed = Hostlist(names)
            self.assertEqual(listed.expand(), names)
            self.assertEqual(Hostlist(str(listed)).expand(), names)
            self.assertEqual(Hostlist(",".join(names)).expand(), names)
            self.assertEqual((len(listed), listed.count()), (len(names), len(names)))

        drawn(self, check)

    def test_expressions_are_expanded_in_their_order(self) -> None:
        def check(draw: random.Random) -> None:
            parts: List[str] = []
            expected: List[str] = []
            for _ in range(draw.randrange(1, 5)):
                width = draw.choice([1, 1, 2, 4])
                low = draw.randrange(9)
                high = low + draw.randrange(15)
                parts.append(f"{low:0{width}}" if high == low else f"{low:0{width}}-{high}")
                expected += [f"{number:0{width}}" for number in range(low, high + 1)]
            suffix = draw.choice(["", "-x"])
            listed = Hostlist(f"h[{','.join(parts)}]{suffix}")
            self.assertEqual(listed.expand(), [f"h{each}{suffix}" for each in expected])

        drawn(self, check)

    def test_sorting_and_deleting_lose_nothing_else(self) -> None:
        def check(draw: random.Random) -> None:
            names = some_hosts(draw)
            self.assertEqual(sorted(Hostlist(names).sort()), sorted(names))
            self.assertEqual(sorted(Hostlist(names).uniq()), sorted(set(names)))
            if names:
                gone = draw.choice(names)
                listed = Hostlist(names)
                self.assertEqual(listed.delete(Hostlist([gone])), 1)
                names.remove(gone)
                self.assertEqual(listed.expand(), names)

        drawn(self, check)

    def test_the_facts_of_flux_hold(self) -> None:
        self.assertEqual(Hostlist("n[1-2][3-4]").expand(), ["n1[3-4]", "n2[3-4]"])
        self.assertEqual(Hostlist("n[9-010]").expand(), ["n9", "n10"])
        self.assertEqual(str(Hostlist("n[0001,2]").sort()), "n[2,0001]")

    def test_the_vectors_of_the_rfc_hold(self) -> None:
        for text, names in [
            ("", ""),
            ("foox,fooy,fooz", "foox,fooy,fooz"),
            ("[1-3,5-6]", "1,2,3,5,6"),
            ("foo[1-5]", "foo1,foo2,foo3,foo4,foo5"),
            ("foo[0-4]-eth2", "foo0-eth2,foo1-eth2,foo2-eth2,foo3-eth2,foo4-eth2"),
            ("foo1,foo1,foo1", "foo1,foo1,foo1"),
            ("[00-02]", "00,01,02"),
            ("[00-2]", "00,01,02"),
            ("foo[1,1,2,1]", "foo1,foo1,foo2,foo1"),
        ]:
            with self.subTest(text=text):
                self.assertEqual(hostlist.decode(text).expand(), names.split(",") if names else [])

    def test_what_breaks_a_rule_is_refused(self) -> None:
        for text in ["n[", "n]", "n[]", "n[a]", "n[2-1]", "n[-1]", "n[1--2]", "n[1,]", "n[0-1048576]", "n[[1]]", "n1]2"]:
            with self.subTest(text=text), self.assertRaises(ValueError):
                Hostlist(text)
        for other in [None, 3, [3], [None]]:
            with self.subTest(other=other), self.assertRaises(TypeError):
                Hostlist(other)  # type: ignore[arg-type]

    def test_it_is_a_sequence(self) -> None:
        hosts: Any = Hostlist("n[8-11],login")
        self.assertEqual((hosts[0], hosts[-1], hosts[1:3]), ("n8", "login", ["n9", "n10"]))
        self.assertEqual(("n10" in hosts, "n12" in hosts, hosts.index("n11")), (True, False, 3))
        with self.assertRaises(IndexError):
            hosts[5]
        with self.assertRaises(TypeError):
            hosts["n8"]
        with self.assertRaises(FileNotFoundError):
            hosts.index("n12")
        self.assertEqual((hosts.append("n12,n13", ["a"]), str(hosts)), (3, "n[8-11],login,n[12-13],a"))
        self.assertEqual(repr(hosts.copy()), "Hostlist('n[8-11],login,n[12-13],a')")

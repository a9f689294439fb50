"""Run by packs_test.go, which starts the service, with an app that has asset packs, and says where it is."""
import os
import unittest

from larder import AssetPackManager, Code, LarderError, LocalAvailabilityError, PackBits


class Packs(unittest.TestCase):
    def absent(self, call):
        with self.assertRaises(LarderError) as caught:
            call()
        self.assertEqual((caught.exception.code, caught.exception.domain), (1, "BAManagedErrorDomain"), caught.exception)

    def test_asset_packs(self):
        with AssetPackManager() as manager:
            self.assertEqual([p.id for p in manager.packs()], ["js-pack", "py-pack", "tutorial"])
            self.assertEqual(next(p for p in manager.packs() if p.id == "tutorial").status, PackBits(69))
            with open(manager.path("tutorial.txt")) as f:
                self.assertEqual(f.read(), "first")
            self.absent(lambda: manager.path("py.txt"))
            manager.ensure_local_availability("py-pack")
            with open(manager.path("py.txt", pack="py-pack")) as f:
                self.assertEqual(f.read(), "snake")
            told = list(manager.status_updates("py-pack"))
            self.assertEqual([(u.type, u.version) for u in told], [("finished", 1)])
            cost = told[0].traffic
            self.assertEqual((cost.network, cost.reused, cost.written), (told[0].total_bytes, 0, 5))
            self.assertEqual((cost.useful, told[0].bytes), (cost.network, told[0].total_bytes))
            self.assertEqual(manager.check_for_updates(), ([], []))
            self.assertEqual(len(manager.manifest()["assetPacks"]), 3)
            self.assertEqual((manager.resolved_language(), manager.set_resolved_language("")), ("", ""))
            manager.reconcile_preferred_languages()
            with self.assertRaises(LocalAvailabilityError) as lacking:
                manager.ensure_local_availability("tutorial", "nothing", require_latest_versions=True)
            self.assertEqual((lacking.exception.successes, list(lacking.exception.failures)), (["tutorial"], ["nothing"]))
            manager.remove("py-pack")
            manager.refresh()
            self.absent(lambda: manager.path("py.txt"))
            for name in ("/etc/passwd", "../x", "a//b", ""):
                self.absent(lambda: manager.path(name))
        with self.assertRaises(LarderError) as classic:
            AssetPackManager(os.environ["LARDER_TEST_CLASSIC"])
        self.assertEqual(classic.exception.code, Code.CONFIGURATION)


if __name__ == "__main__":
    unittest.main()

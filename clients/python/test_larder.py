"""Run by clients_test.go, which starts the service and says where it is."""
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

import larder
from larder import Code, Download, DownloadManager, LarderError

SERVER, BOX = os.environ["LARDER_TEST_SERVER"], os.environ["LARDER_GROUP_CONTAINER"]


def level(identifier, **more):
    return Download(identifier, SERVER + "/level", file_size=3 << 20, **more)


def endless(identifier, **more):
    return Download(identifier, SERVER + "/endless", file_size=1 << 30, **more)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class Larder(unittest.TestCase):
    def setUp(self):
        self.manager = self.another()

    def another(self):
        manager = DownloadManager()
        self.addCleanup(manager.close)
        return manager

    def refused(self, code, f, *args):
        with self.assertRaises(LarderError) as caught:
            f(*args)
        e = caught.exception
        self.assertEqual((e.code, e.domain), (code, "larder" if code >= 1000 else "BAErrorDomain"), e)
        self.assertTrue(e.op and e.message, e)
        return e

    def eventually(self, what, path):
        end = time.monotonic() + 30
        while not os.path.exists(path):
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)

    def follow(self, download):
        """The events of a delegate that listens before download is scheduled."""
        first = self.manager.schedule(endless("py-first"))
        for event in self.manager.events():
            if download:
                self.manager.schedule(download)
                self.manager.cancel(first.unique_identifier)
                download = None
            elif event.download.identifier != "py-first":
                yield event

    def test_delegate_takes_a_file_and_hears_of_a_failure(self):
        for event in self.follow(level("py-taken")):
            if event.type == "finished" and event.download.identifier == "py-taken":
                self.assertEqual(event.status.bytes, 3 << 20)
                os.replace(event.file_path, os.path.join(BOX, "moved"))
                self.manager.schedule(Download("py-missing", SERVER + "/missing", file_size=10))
            if event.type == "failed" and event.download.identifier == "py-missing":
                break
        self.assertEqual(event.error.code, Code.SERVER)
        self.assertEqual(os.path.getsize(os.path.join(BOX, "moved")), 3 << 20)
        self.assertFalse(os.path.exists(os.path.join(BOX, "py-taken")))
        listed = {d.identifier: d for d in self.manager.current_downloads()}
        self.assertEqual(listed["py-missing"].state, "failed")
        self.assertTrue(listed["py-missing"].reason.message)
        self.assertNotIn("py-taken", listed)

    def test_what_a_delegate_leaves_goes_to_the_extension(self):
        for event in self.follow(level("py-left")):
            if event.type == "finished" and event.download.identifier == "py-left":
                break
        self.eventually("the extension took it", os.path.join(BOX, "py-left"))

    def test_delegate_handles_only_what_it_has_methods_for(self):
        failures = []

        class Delegate:
            def failed(self, download, error):
                failures.append((download.identifier, error.code))

        thread = threading.Thread(target=self.manager.set_delegate, args=[Delegate()])
        thread.start()
        self.manager.schedule(level("py-good"))
        self.eventually("the extension took what finished", os.path.join(BOX, "py-good"))  # the delegate listens long since
        self.manager.schedule(Download("py-bad", SERVER + "/missing", file_size=10))
        end = time.monotonic() + 30
        while ("py-bad", Code.SERVER) not in failures and time.monotonic() < end:
            time.sleep(0.02)
        self.manager.close()
        thread.join(10)
        self.assertFalse(thread.is_alive(), "close() does not end the delegate")
        self.assertIn(("py-bad", Code.SERVER), failures)
        self.assertFalse(os.path.exists(os.path.join(BOX, "py-bad.failed")))

    def test_a_challenge_is_answered_by_the_delegate(self):
        seen = []
        for event in self.follow(Download("py-guarded", SERVER + "/guarded-py", file_size=10)):
            if event.type == "challenge":
                seen.append((event.challenge.authentication_method, event.challenge.realm, event.challenge.previous_failure_count))
                self.refused(Code.BAD_REQUEST, event.answer, "useCredential")
                event.answer("useCredential", user="ann", password="wrong" if len(seen) == 1 else "sesame")
                self.refused(Code.NOT_FOUND, event.answer, "performDefaultHandling")
                self.assertNotIn("sesame", repr(event))
            else:
                self.refused(Code.STATE, event.answer, "performDefaultHandling")
            if event.type == "finished" and event.download.identifier == "py-guarded":
                os.remove(event.file_path)
                break
        self.assertEqual(seen, [("httpBasic", "vault", 0), ("httpBasic", "vault", 1)])

    def test_an_unanswered_challenge_is_passed_on(self):
        for event in self.follow(Download("py-passed", SERVER + "/guarded-py-ext", file_size=10)):
            if event.type == "failed" and event.download.identifier == "py-passed":
                break
        self.assertEqual(event.error.code, Code.SERVER)

    def test_foreground_needs_an_active_app(self):
        self.refused(Code.CALL_FROM_INACTIVE_PROCESS_NOT_ALLOWED, self.manager.start_foreground, level("py-front"))
        self.manager.set_active(True)
        essential = level("py-front", essential=True)
        self.refused(Code.DOWNLOAD_ESSENTIAL_DOWNLOAD_NOT_PERMITTED, self.manager.start_foreground, essential)
        self.manager.start_foreground(essential.removing_essential())
        queued = self.manager.schedule(endless("py-promoted"))
        self.assertEqual(self.manager.start_foreground(Download("py-promoted")).unique_identifier, queued.unique_identifier)
        self.manager.cancel(queued.unique_identifier)

    def test_cancel_is_told_apart(self):
        status = self.manager.schedule(endless("py-endless", priority=-5))
        listed = [d for d in self.manager.current_downloads() if d.identifier == "py-endless"]
        self.assertEqual([(d.unique_identifier, d.priority) for d in listed], [(status.unique_identifier, -5)])
        self.refused(Code.DOWNLOAD_ALREADY_SCHEDULED, self.manager.schedule, endless("py-endless"))
        self.manager.cancel(status.unique_identifier)
        self.refused(Code.DOWNLOAD_NOT_SCHEDULED, self.manager.cancel, status.unique_identifier)
        self.refused(Code.DOWNLOAD_DOES_NOT_EXIST, self.manager.cancel, "no/such ?")

    def test_wrong_downloads_are_refused_with_typed_errors(self):
        for wrong in (Download(), level(""), level("x", priority=101), level("x" * 2000), Download("x", "ftp://host/x"), Download("x", SERVER, file_size=-1),
                      level("x", body=b"\xff"), level("x", headers={"Range": "bytes=1-"})):
            self.refused(Code.DOWNLOAD_INVALID, self.manager.schedule, wrong)
        self.refused(Code.BAD_REQUEST, self.manager.schedule, Download("x", SERVER, file_size=None))
        self.refused(Code.BAD_REQUEST, self.manager.schedule, Download("x", SERVER, file_size="many"))

    def hold(self, manager, before=None):
        with manager.exclusive_control(before):
            pass

    def test_exclusive_control_has_one_holder(self):
        other = self.another()
        with self.manager.exclusive_control():
            for past in (now(), datetime.datetime.now(), datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)):
                self.refused(Code.STATE, self.hold, other, past)
            self.refused(Code.STATE, self.hold, self.manager)
        with other.exclusive_control(before=now()):
            waiting = threading.Thread(target=self.hold, args=[self.manager])
            waiting.start()
        waiting.join(10)
        self.assertFalse(waiting.is_alive(), "the one in line does not get it")

    def test_control_is_freed_by_kill(self):
        script = "import larder, time\nwith larder.DownloadManager().exclusive_control():\n print('held', flush=True)\n time.sleep(600)"
        with subprocess.Popen([sys.executable, "-B", "-c", script], stdout=subprocess.PIPE) as child:
            self.assertEqual(child.stdout.readline(), b"held\n")
            self.refused(Code.STATE, self.hold, self.manager, now())
            child.send_signal(signal.SIGKILL)
        self.hold(self.manager, now() + datetime.timedelta(seconds=30))

    def test_close_ends_what_waits(self):
        other, failed = self.another(), []

        def wait():
            try:
                self.hold(other)
            except LarderError as e:
                failed.append(e.code)

        with self.manager.exclusive_control():
            thread = threading.Thread(target=wait)
            thread.start()
            time.sleep(0.1)
            other.close()
            thread.join(10)
        self.assertEqual(failed, [Code.CALLER_CONNECTION_INVALID])
        self.refused(Code.CALLER_CONNECTION_INVALID, other.current_downloads)
        self.assertEqual(list(other.events()), [])

    def test_restart_of_the_service_is_waited_for(self):
        self.manager.set_active(True)
        restarted = False
        for event in self.follow(Download("py-slow", SERVER + "/slow", file_size=4 << 20)):
            if event.download.identifier == "py-slow" and not restarted:
                self.assertIn(event.type, ("began", "progress"))
                urllib.request.urlopen(SERVER + "/restart", data=b"", timeout=30).close()
                restarted = True
            elif event.download.identifier == "py-slow" and event.type == "finished":
                os.remove(event.file_path)
                break
        self.manager.start_foreground(level("py-still-active"))
        self.hold(self.manager)

    def test_purged_files_are_told(self):
        for event in self.follow(level("py-purgeable")):
            if event.type == "finished" and event.download.identifier == "py-purgeable":
                os.replace(event.file_path, os.path.join(BOX, "py-purgeable"))
                urllib.request.urlopen(SERVER + "/purge", data=b"", timeout=30).close()
            if event.type == "purged" and "py-purgeable" in [f.path for f in event.files]:
                break
        self.assertFalse(os.path.exists(os.path.join(BOX, "py-purgeable")))
        told, manager = [], self.manager

        class Delegate:
            def finished(self, download, file_path):
                os.replace(file_path, os.path.join(BOX, download.identifier))
                urllib.request.urlopen(SERVER + "/purge", data=b"", timeout=30).close()

            def purged(self, files):
                told.extend(f for f in files if f.path == "py-purgeable")
                if told:
                    manager.close()

        self.manager.schedule(level("py-purgeable"))
        self.manager.set_delegate(Delegate())
        self.assertEqual(told, [larder.PurgedFile("py-purgeable", 3 << 20)])

    def test_without_a_service_the_error_says_what_to_do(self):
        with tempfile.TemporaryDirectory() as empty, DownloadManager(os.path.join(empty, "x.sock")) as manager:
            for call in (manager.current_downloads, lambda: manager.set_active(True)):
                self.assertIn("larder service run", self.refused(Code.CALLER_CONNECTION_INVALID, call).help)
        path = os.environ.pop("LARDER_SOCKET")
        self.addCleanup(os.environ.__setitem__, "LARDER_SOCKET", path)
        e = self.refused(Code.CONFIGURATION, DownloadManager)
        self.assertEqual(str(e), "open download manager LARDER_SOCKET: it is not set")

    def test_codes_are_the_services_own(self):
        codes = json.loads(os.environ["LARDER_TEST_CODES"])
        for code in Code:
            self.assertEqual(codes[larder._camel(code.name.lower())], code, code.name)


if __name__ == "__main__":
    unittest.main()

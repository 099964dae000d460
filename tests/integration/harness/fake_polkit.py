# SPDX-License-Identifier: MIT
"""A fake polkit on D-Bus that gives the answers of a test."""

import xml.etree.ElementTree as ET

import dbus
import dbus.service
from dbus.lowlevel import MethodReturnMessage

from harness.environment import SOURCE
from harness.glib_bus import GlibBus
from harness.waiting import wait_for

AUTHORITY = "org.freedesktop.PolicyKit1.Authority"
POLKIT_ERROR = "org.freedesktop.PolicyKit1.Error."
INTERACTION = 1


def actions():
    """Returns {action: its owners} from our policy file."""
    policy = ET.parse(SOURCE / "dbus" / "org.p2pshare.policy")
    return {action.get("id"): [a.text for a in action.findall("annotate")
                               if a.get("key") == "org.freedesktop.policykit.owner"]
            for action in policy.findall("action")}


class FakePolkit(dbus.service.Object):
    """rules: {(uid, action): answer}. An answer is yes, no, password (yes if polkit may ask for
    one), no-agent, silent, garbage or failed; all others get no.

    .asked lists (uid, action, flags) in order. .open has the questions that are not answered yet,
    by cancellation ID. .cancelled lists the IDs that were cancelled."""

    def __init__(self, bus, rules=None):
        self.rules = rules or {}
        self.actions = actions()
        self.asked, self.open, self.cancelled, self.questions = [], {}, [], set()
        self.glib_bus = GlibBus(bus)
        super().__init__(self.glib_bus.link, "/org/freedesktop/PolicyKit1/Authority")
        self.glib_bus.serve("org.freedesktop.PolicyKit1")

    def stop(self):
        self.glib_bus.close()

    def wait_open(self, count=1):
        wait_for(lambda: len(self.open) >= count, f"{count} questions")

    def answer(self, authorized):
        """Answers all open questions."""
        def run():
            for reply, _ in self.open.values():
                reply((authorized, False, {}))
            self.open.clear()

        self.glib_bus.do(run)

    @dbus.service.method(AUTHORITY, in_signature="(sa{sv})sa{ss}us", out_signature="(bba{ss})",
                         async_callbacks=("reply", "fail"), message_keyword="message")
    def CheckAuthorization(self, subject, action, details, flags, cancellation, message, reply, fail):
        kind, properties = subject
        assert str(kind) == "system-bus-name" and list(properties) == ["name"], subject
        assert not details
        question = message.get_sender(), str(cancellation)
        assert question not in self.questions, "polkit refuses an ID that is in use"
        self.questions.add(question)
        uid = int(self.glib_bus.link.get_unix_user(properties["name"]))
        self.asked.append((uid, str(action), int(flags)))
        answer = self.rules.get((uid, str(action)), "no")
        if str(action) not in self.actions or answer == "failed":
            fail(dbus.DBusException(f"Action {action} is not registered", name=POLKIT_ERROR + "Failed"))
        elif answer == "garbage":
            nonsense = MethodReturnMessage(message)
            nonsense.append("yes", signature="s")
            self.glib_bus.link.send_message(nonsense)
        elif answer == "silent":
            self.open[str(cancellation)] = reply, fail
        elif answer == "password":
            asks = bool(flags & INTERACTION)
            reply((asks, not asks, {}))
        elif answer == "no-agent":
            reply((False, True, {}))
        else:
            reply((answer == "yes", False, {}))

    @dbus.service.method(AUTHORITY, in_signature="s")
    def CancelCheckAuthorization(self, cancellation):
        reply, fail = self.open.pop(str(cancellation))
        self.cancelled.append(str(cancellation))
        fail(dbus.DBusException("Cancelled", name=POLKIT_ERROR + "Cancelled"))

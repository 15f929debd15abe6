"""A real mail server for the tests (Debian: python3-aiosmtpd). Keeps each mail as a file; refuses who is called `no`, and tells
who is called `later` once to come again. Arguments: folder, port, and for STARTTLS certificate and key."""
import json
import pathlib
import ssl
import sys
import threading

from aiosmtpd.controller import Controller

folder, port, tls = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]


class Keeper:
    def __init__(self):
        self.count, self.told = len(list(folder.glob("*.json"))), set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("no@"):
            return "550 5.1.1 no such mailbox here"
        if address.startswith("later@") and address not in self.told:
            self.told.add(address)
            return "450 4.2.0 come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        mail = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None,
                "raw": envelope.original_content.decode("utf-8")}
        unfinished = folder / f"{self.count}.part"
        unfinished.write_text(json.dumps(mail))
        unfinished.rename(folder / f"{self.count}.json")
        return "250 OK"


context = None
if tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls)
Controller(Keeper(), hostname="127.0.0.1", port=port, tls_context=context, require_starttls=bool(tls)).start()
threading.Event().wait()

"""A real mail server that can be difficult (Debian: python3-aiosmtpd). Prints its port, then a line of JSON for each mail it
has. Argument: JSON with `port` (else a free one), `certificate` and `key` (else no TLS), `at_once` (TLS from the first byte),
`login` [user, password], `answers` (by recipient, a list of what RCPT gets before 250), `after_data` (what a mail gets instead of
250)."""
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

how = json.loads(sys.argv[1])
context = None
if "certificate" in how:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(how["certificate"], how["key"])


class Keeper:
    async def handle_RCPT(self, server, session, envelope, address, options):
        waiting = how.get("answers", {}).get(address, [])
        if waiting:
            answer = waiting.pop(0)
            if answer == "hang up":
                server.transport.abort()
                return "421 gone"
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if "after_data" in how:
            return how["after_data"]
        mail = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None or how.get("at_once", False),
                "helo": session.host_name, "authenticated": bool(session.authenticated),
                "raw": envelope.original_content.decode("utf-8")}
        print(json.dumps(mail), flush=True)
        return "250 OK"


def known(server, session, envelope, mechanism, data):
    user, password = how["login"]
    return AuthResult(success=(data.login.decode(), data.password.decode()) == (user, password), handled=False)


def smtp():
    at_once = how.get("at_once", False)
    return SMTP(Keeper(), hostname="mail.isp.example", tls_context=None if at_once else context,
                require_starttls=context is not None and not at_once, authenticator=known if "login" in how else None,
                auth_required="login" in how, auth_require_tls=not at_once)


async def serve():
    server = await asyncio.get_running_loop().create_server(
        smtp, "127.0.0.1", how.get("port", 0), ssl=context if how.get("at_once", False) else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(serve())

"""A server that sends given bytes, for tests of incomplete and invalid responses."""

import gzip
import socket
import ssl
import subprocess
import threading
import time
from contextlib import suppress

# A page of a list without records.
EMPTY = b'{"items":[],"paging":{"pageNumber":1,"pageSize":500,"totalCount":0}}'


def head(*headers, status="200 OK"):
    """Return the status line and headers of a response."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1")


def whole(body, *headers, status="200 OK"):
    """Return a complete response with a Content-Length header."""
    return head(f"Content-Length: {len(body)}", *headers, status=status) + body


def zipped(body, encoding="gzip", status="200 OK"):
    """Return a complete response with a gzip-compressed body."""
    return whole(gzip.compress(body), f"Content-Encoding: {encoding}", status=status)


def chunked(*chunks):
    """Return a response with chunked transfer encoding."""
    return head("Transfer-Encoding: chunked") + b"".join(
        b"%x\r\n%s\r\n" % (len(part), part) for part in (*chunks, b"")
    )


def cut(content):
    """Return a function that sends the given bytes and closes the connection."""

    def answer(connection):
        connection.sendall(content)
        return True

    return answer


def drip(content, seconds=0.02):
    """Return a function that sends the given bytes and then single bytes until the client closes the connection."""

    def answer(connection):
        connection.sendall(content)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            time.sleep(seconds)
            connection.sendall(b" ")
        return True

    return answer


def tunnel(context, *answers):
    """Return a function that accepts a CONNECT request and then acts as the server."""

    def answer(connection):
        connection.sendall(head(status="200 Connection established"))
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
            for content in answers:
                secure.recv(65536)
                secure.sendall(content)
            secure.recv(1)
        return True

    return answer


def create_certificate(folder, *options):
    """Create a self-signed certificate for 127.0.0.1 with openssl, and return the paths of certificate and key."""
    file, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=127.0.0.1", *options, "-keyout", str(key), "-out", str(file)]
    subprocess.run(command, capture_output=True, check=True)
    return file, key


def server_context(file, key):
    """Return the TLS context of a server that uses a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context


class Service:
    """A server that sends the given responses in order and then repeats the last response."""

    def __init__(self, *answers, tls=None):
        self.answers, self.tls = list(answers), tls
        self.requests, self.accepted, self.threads = [], [], []
        self.turn = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/v2"

    def __enter__(self):
        self.start(self.accept)
        return self

    def __exit__(self, *problem):
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.hang_up()
        for thread in self.threads:
            thread.join(5)

    def start(self, what, *args):
        thread = threading.Thread(target=what, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.accepted.append(connection)
                self.start(self.serve, connection, len(self.accepted))

    def hang_up(self):
        """Close all connections, as a server does with idle connections."""
        for connection in self.accepted:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def serve(self, connection, number):
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as incoming:
                self.converse(connection, incoming, number)
        except OSError:
            connection.close()

    def converse(self, connection, incoming, number):
        while line := incoming.readline():
            text, length = line, 0
            while (line := incoming.readline()) not in (b"\r\n", b""):
                text += line
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            with self.turn:
                answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
                self.requests.append((number, text))
            if not getattr(answer, "takes_no_body", False):
                incoming.read(length)
            if callable(answer):
                if answer(connection):
                    return
            else:
                connection.sendall(answer)

    @property
    def connections_used(self):
        return [number for number, _ in self.requests]

"""TLS in front of a PostgreSQL that has none: `tls_front.py CERTIFICATE KEY HOST PORT` writes its own port and serves until it is killed."""

import select
import socket
import ssl
import sys
import threading

certificate, key, host, port = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)


def serve(plain):
    try:
        plain.recv(8)  # the SSLRequest
        plain.sendall(b"S")
        with context.wrap_socket(plain, server_side=True) as client, socket.create_connection((host, int(port))) as server:
            while True:
                # What is decrypted already makes no socket readable.
                ready = [client] if client.pending() else select.select([client, server], [], [])[0]
                for source, sink in [(client, server), (server, client)]:
                    if source in ready:
                        data = source.recv(65536)
                        if not data:
                            return
                        sink.sendall(data)
    except OSError:
        pass  # the client did not like the certificate, or is gone


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()

"""The part of Oracle's network protocol that its thin client for Rust speaks with a 19c server, as that client's own source shows it."""

import socket

CONNECT, ACCEPT, DATA = 1, 2, 6
SDU = 8192  # what the client takes for the size of a packet
VARCHAR, NUMBER, LONG, CLOB, TIMESTAMP = 1, 2, 8, 112, 180


class Short(Exception):
    """There is more to come."""


class Line:
    """Packets over a socket. A message has no end of its own: whoever reads it asks for more until it is whole."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.long_lengths = False

    def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.sock.recv(count - len(data))
            if not part:
                raise ConnectionError
            data += part
        return data

    def packet(self) -> tuple[int, bytes]:
        header = self.exactly(8)
        length = int.from_bytes(header[:4] if self.long_lengths else header[:2], "big")
        return header[4], self.exactly(length - 8)

    def send_packet(self, kind: int, body: bytes) -> None:
        length = len(body) + 8
        size = length.to_bytes(4, "big") if self.long_lengths else length.to_bytes(2, "big") + b"\0\0"
        self.sock.sendall(size + bytes([kind, 0, 0, 0]) + body)

    def read(self, parse):
        """What `parse` makes of the next message."""
        data = b""
        while True:
            kind, body = self.packet()
            if kind != DATA:
                raise ConnectionError
            data += body[2:]
            if int.from_bytes(body[:2], "big") & 0x40:
                raise ConnectionError  # the client takes its leave
            if len(body) + 8 == SDU:
                continue
            try:
                return parse(Reader(data))
            except Short:
                pass

    def send(self, data: bytes) -> None:
        most = SDU - 10
        for at in range(0, max(len(data), 1), most):
            self.send_packet(DATA, b"\0\0" + data[at : at + most])


class Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise Short
        self.at += count
        return self.data[self.at - count : self.at]

    def u8(self) -> int:
        return self.take(1)[0]

    def ub(self) -> int:
        """An unsigned number: how many bytes it has, and these."""
        return int.from_bytes(self.take(self.u8()), "big")

    def text(self) -> bytes | None:
        """Bytes with their length, or in parts; none where there are none."""
        length = self.u8()
        if length in (0, 255):
            return None
        if length != 254:
            return self.take(length)
        data = b""
        while part := self.ub():
            data += self.take(part)
        return data


def ub(number: int) -> bytes:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    # Three, five, six and seven bytes are taken too, but nobody sends them.
    data = data.rjust(next(size for size in (0, 1, 2, 4, 8) if size >= len(data)), b"\0")
    return bytes([len(data)]) + data


def text(data: bytes | None) -> bytes:
    if not data:
        return b"\0"
    if len(data) <= 252:
        return bytes([len(data)]) + data
    parts = (data[at : at + 32767] for at in range(0, len(data), 32767))
    return b"\xfe" + b"".join(ub(len(part)) + part for part in parts) + ub(0)


def texts(data: bytes) -> bytes:
    """The same with its length before it once more."""
    return ub(len(data)) + (text(data) if data else b"")


def number_from(data: bytes) -> int:
    """A whole number in Oracle's form: an exponent and digits to the base of 100."""
    if data == b"\x80":
        return 0
    positive = data[0] & 0x80
    exponent = (data[0] if positive else data[0] ^ 0xFF) - 193
    digits = [byte - 1 for byte in data[1:]] if positive else [101 - byte for byte in data[1:] if byte != 102]
    value = 0
    for digit in digits:
        value = value * 100 + digit
    value *= 100 ** (exponent + 1 - len(digits))
    return value if positive else -value


def number(value: int) -> bytes:
    if value == 0:
        return b"\x80"
    digits, rest = [], abs(value)
    while rest:
        rest, digit = divmod(rest, 100)
        digits.insert(0, digit)
    exponent = 192 + len(digits)
    while digits[-1] == 0:
        digits.pop()
    if value > 0:
        return bytes([exponent, *(digit + 1 for digit in digits)])
    return bytes([exponent ^ 0xFF, *(101 - digit for digit in digits)]) + b"\x66"


def status(in_transaction: bool) -> bytes:
    return b"\x09" + ub(2 if in_transaction else 0) + ub(0)


def outcome(in_transaction: bool, cursor: int = 0, rows: int = 0, code: int = 0, message: str = "") -> bytes:
    """How a call ended: also where it ended well."""
    head = b"\x04" + ub(2 if in_transaction else 0) + ub(0) + ub(0) * 4 + ub(cursor) + ub(0)
    return (
        head
        + bytes(6)
        + (ub(0) + ub(0) + b"\0" + ub(0) + ub(0))  # a rowid
        + ub(0)
        + bytes(2)
        + ub(0) * 2
        + ub(0)  # a logical rowid
        + ub(0) * 3  # errors of a batch
        + ub(code)
        + ub(rows)
        + (text(message.encode()) if code else b"")
    )


def described(columns: list[tuple[str, int]]) -> bytes:
    """Names and types of the columns of an answer."""
    data = b"\x10" + text(None) + ub(0) + ub(len(columns)) + (b"\0" if columns else b"")
    for at, (name, kind) in enumerate(columns):
        size = {NUMBER: 22, TIMESTAMP: 11, CLOB: 112}.get(kind, 16000)
        charset, form = (873, 1) if kind in (VARCHAR, LONG, CLOB) else (0, 0)
        data += bytes([kind, 0, 0, 0]) + ub(size) + ub(0) + ub(0) + ub(0) + ub(0) + ub(charset) + bytes([form]) + ub(size)
        data += ub(0) + b"\1" + b"\0" + texts(name.encode()) + ub(0) + ub(0) + ub(at + 1) + ub(0)
    return data + ub(0) * 6


ROW_HEADER = b"\x06\0" + ub(0) * 3 + ub(0) + ub(0) + ub(0)


def row(values: list, kinds: list[int], inline: bool) -> bytes:
    data = b"\x07"
    for value, kind in zip(values, kinds, strict=True):
        if isinstance(value, int):
            value = number(value)
        elif isinstance(value, str):
            value = value.encode()
        data += text(value)
        if kind == LONG or kind == CLOB and inline:
            data += ub(0) + ub(0)
    return data

"""The wire: Microsoft's Tabular Data Stream 7.4 as far as a client needs it that logs in by SQL authentication, runs
batches and sp_executesql, and loads in bulk. Structure and numbers are those of [MS-TDS]:
https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-tds"""

import socket
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

BATCH, RPC, RESPONSE, BULK, LOGIN, PRELOGIN = 0x01, 0x03, 0x04, 0x07, 0x10, 0x12
PACKET = 4096
COLLATION = bytes.fromhex("0904d00034")  # SQL_Latin1_General_CP1_CI_AS
MAX = 0xFFFF
DONE_MORE, DONE_ERROR, DONE_COUNT = 0x01, 0x02, 0x10
EPOCH = date(1, 1, 1).toordinal()
ENCRYPT_OFF, ENCRYPT_ON, ENCRYPT_NOT_SUPPORTED, ENCRYPT_REQUIRED = range(4)


@dataclass(frozen=True)
class Type:
    """A SQL type. `size`: bytes of a text (MAX for those without end), digits of a DATETIME2, bytes of an integer."""

    name: str
    size: int = 0

    def sql(self) -> str:
        match self.name:
            case "nvarchar" | "varchar" if self.size == MAX:
                return f"{self.name}(max)"
            case "nvarchar":
                return f"nvarchar({self.size // 2})"
            case "varchar" | "datetime2":
                return f"{self.name}({self.size})"
        return self.name


@dataclass(frozen=True)
class Column:
    name: str
    type: Type
    nullable: bool = True


class Broken(Exception):
    """The client is gone, or speaks something else."""


class Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise Broken("a message ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, format: str) -> int:
        return struct.unpack("<" + format, self.take(struct.calcsize("<" + format)))[0]

    def text(self, units: int) -> str:
        return self.take(units * 2).decode("utf-16-le", "surrogatepass")

    def done(self) -> bool:
        return self.at >= len(self.data)

    def headers(self) -> None:
        self.take(self.number("I") - 4)

    def type(self) -> Type:
        match self.number("B"):
            case 0x1F:
                return Type("null")
            case 0x32:
                return Type("bit", -1)
            case 0x38:
                return Type("int", -4)
            case 0x7F:
                return Type("bigint", -8)
            case 0x68:
                return Type("bit", self.number("B"))
            case 0x26:
                return Type({4: "int", 8: "bigint"}[self.number("B")])
            case 0x2A:
                return Type("datetime2", self.number("B"))
            case 0xE7 | 0xA7 as code:
                size = self.number("H")
                self.take(5)
                return Type("nvarchar" if code == 0xE7 else "varchar", size)
            case code:
                raise Broken(f"a type {code:#x} that this server does not know")

    def value(self, type: Type) -> object:
        match type.name:
            case "null":
                return None
            case "nvarchar" | "varchar":
                data = self.plp() if type.size == MAX else self.short()
                encoding = "utf-16-le" if type.name == "nvarchar" else "cp1252"
                return None if data is None else data.decode(encoding, "surrogatepass" if encoding[0] == "u" else "strict")
            case "datetime2":
                data = self.take(self.number("B"))
                return datetime2_value(data, type.size) if data else None
        # A size below zero is a type that has no null and says no length.
        data = self.take(-type.size if type.size < 0 else self.number("B"))
        return int.from_bytes(data, "little", signed=type.name != "bit") if data else None

    def short(self) -> bytes | None:
        size = self.number("H")
        return None if size == 0xFFFF else self.take(size)

    def plp(self) -> bytes | None:
        if self.number("Q") == 0xFFFFFFFFFFFFFFFF:
            return None
        parts = []
        while size := self.number("I"):
            parts.append(self.take(size))
        return b"".join(parts)


def datetime2_value(data: bytes, digits: int) -> str:
    days = int.from_bytes(data[-3:], "little")
    ticks = int.from_bytes(data[:-3], "little")
    moment = datetime.combine(date.fromordinal(days + EPOCH), datetime.min.time())
    return (moment + timedelta(microseconds=round(ticks * 10 ** (6 - digits)))).isoformat(" ", "microseconds")


def b_varchar(text: str) -> bytes:
    data = text.encode("utf-16-le")
    return struct.pack("<B", len(data) // 2) + data


def us_varchar(text: str) -> bytes:
    data = text.encode("utf-16-le")[: 2 * 2000]
    return struct.pack("<H", len(data) // 2) + data


def type_info(column: Column) -> bytes:
    kind, fixed = column.type, not column.nullable
    match kind.name:
        case "nvarchar" | "varchar":
            return struct.pack("<BH", 0xE7 if kind.name == "nvarchar" else 0xA7, kind.size) + COLLATION
        case "datetime2":
            return struct.pack("<BB", 0x2A, kind.size)
        case "bit":
            return b"\x32" if fixed else b"\x68\x01"
        case "int":
            return b"\x38" if fixed else b"\x26\x04"
        case "bigint":
            return b"\x7f" if fixed else b"\x26\x08"
    raise ValueError(kind)


def cell(column: Column, value: object) -> bytes:
    kind = column.type
    match kind.name:
        case "nvarchar" | "varchar":
            long = kind.size == MAX
            if value is None:
                return b"\xff" * 8 if long else b"\xff\xff"
            data = str(value).encode("utf-16-le", "surrogatepass") if kind.name == "nvarchar" else str(value).encode("cp1252")
            if long:
                return struct.pack("<Q", len(data)) + (struct.pack("<I", len(data)) + data if data else b"") + b"\0\0\0\0"
            return struct.pack("<H", len(data)) + data
        case "datetime2":
            if value is None:
                return b"\0"
            moment = datetime.fromisoformat(str(value))
            midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
            micros = round((moment - midnight) / timedelta(microseconds=1))
            size = 3 if kind.size < 3 else 4 if kind.size < 5 else 5
            ticks = micros * 10**kind.size // 10**6
            return bytes([size + 3]) + ticks.to_bytes(size, "little") + (moment.toordinal() - EPOCH).to_bytes(3, "little")
    size = {"bit": 1, "int": 4, "bigint": 8}[kind.name]
    if value is None:
        return b"\0"
    return (bytes([size]) if column.nullable else b"") + int(value).to_bytes(size, "little", signed=kind.name != "bit")


def metadata(columns: list[Column]) -> bytes:
    parts = [struct.pack("<BH", 0x81, len(columns))]
    for column in columns:
        flags = 0x08 | (0x01 if column.nullable else 0)
        parts.append(struct.pack("<IH", 0, flags) + type_info(column) + b_varchar(column.name))
    return b"".join(parts)


def row(columns: list[Column], values: tuple) -> bytes:
    return b"\xd1" + b"".join(cell(column, value) for column, value in zip(columns, values, strict=True))


def done(token: int, status: int = 0, count: int | None = None) -> bytes:
    return struct.pack("<BHHQ", token, status | (0 if count is None else DONE_COUNT), 0, count or 0)


def message(token: int, number: int, state: int, level: int, text: str, line: int = 1) -> bytes:
    body = struct.pack("<IBB", number, state, level) + us_varchar(text) + b_varchar("STANDIN") + b_varchar("") + struct.pack("<I", line)
    return struct.pack("<BH", token, len(body)) + body


def error(number: int, text: str, level: int = 16) -> bytes:
    return message(0xAA, number, 1, level, text)


def changed(kind: int, new: bytes, old: bytes = b"\0") -> bytes:
    return struct.pack("<BHB", 0xE3, 1 + len(new) + len(old), kind) + new + old


class Line:
    """Messages over one socket, in packets; from the handshake on through TLS where the client wants it."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.tls: ssl.SSLObject | None = None
        self.buffer = b""

    def raw(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.sock.recv(count - len(data))
            if not part:
                raise Broken("the client hung up")
            data += part
        return data

    def plain(self, count: int) -> bytes:
        if self.tls is None:
            return self.raw(count)
        while len(self.buffer) < count:
            try:
                self.buffer += self.tls.read(65536)
            except ssl.SSLWantReadError:
                part = self.sock.recv(65536)
                if not part:
                    raise Broken("the client hung up") from None
                self.incoming.write(part)
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def receive(self) -> tuple[int, bytes]:
        parts = []
        while True:
            kind, status, length = struct.unpack(">BBH4x", self.plain(8))
            parts.append(self.plain(length - 8))
            if status & 1:
                return kind, b"".join(parts)

    def send(self, data: bytes, kind: int = RESPONSE) -> None:
        pieces = [data[at : at + PACKET - 8] for at in range(0, len(data), PACKET - 8)] or [b""]
        packets = b"".join(
            struct.pack(">BBHHBB", kind, int(number == len(pieces)), len(piece) + 8, 0, number % 256, 0) + piece
            for number, piece in enumerate(pieces, 1)
        )
        if self.tls is None:
            self.sock.sendall(packets)
            return
        self.tls.write(packets)
        self.sock.sendall(self.outgoing.read())

    def handshake(self, context: ssl.SSLContext) -> None:
        """TLS whose handshake travels in PRELOGIN packets."""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                if answer := self.outgoing.read():
                    self.send(answer, PRELOGIN)
                self.incoming.write(self.receive()[1])
        if answer := self.outgoing.read():
            self.send(answer, PRELOGIN)
        self.tls = tls


@dataclass(frozen=True)
class Login:
    user: str
    password: str
    database: str


def prelogin(line: Line, context: ssl.SSLContext) -> bool:
    """Answers the first message and secures the line. Says whether the login alone is to be encrypted."""
    kind, data = line.receive()
    if kind != PRELOGIN:
        raise Broken("no PRELOGIN")
    wanted, at = ENCRYPT_NOT_SUPPORTED, 0
    while data[at] != 0xFF:
        option, offset, length = struct.unpack(">BHH", data[at : at + 5])
        if option == 1:
            wanted = data[offset]
        at += 5
    given = {ENCRYPT_OFF: ENCRYPT_OFF, ENCRYPT_NOT_SUPPORTED: ENCRYPT_NOT_SUPPORTED}.get(wanted, ENCRYPT_ON)
    options = [(0, bytes([15, 0, 0x10, 0, 0, 0])), (1, bytes([given])), (2, b"\0"), (3, b""), (4, b"\0")]
    head, body, offset = b"", b"", len(options) * 5 + 1
    for option, value in options:
        head += struct.pack(">BHH", option, offset + len(body), len(value))
        body += value
    line.send(head + b"\xff" + body)
    if given != ENCRYPT_NOT_SUPPORTED:
        line.handshake(context)
    return given == ENCRYPT_OFF


def login(line: Line) -> Login:
    kind, data = line.receive()
    if kind != LOGIN:
        raise Broken("no LOGIN7")

    def field(at: int) -> bytes:
        offset, units = struct.unpack_from("<HH", data, at)
        return data[offset : offset + units * 2]

    # Each byte of the password has its halves swapped and is XORed with A5.
    password = bytes(((byte ^ 0xA5) >> 4) | (((byte ^ 0xA5) << 4) & 0xFF) for byte in field(44))
    return Login(field(40).decode("utf-16-le"), password.decode("utf-16-le"), field(68).decode("utf-16-le"))


def welcome(database: str) -> bytes:
    name = b_varchar("Microsoft SQL Server")
    ack = b"\x01" + bytes.fromhex("74000004") + name + bytes([15, 0, 0x10, 0])
    return (
        changed(1, b_varchar(database), b_varchar("master"))
        + message(0xAB, 5701, 2, 0, f"Changed database context to '{database}'.")
        + changed(7, bytes([5]) + COLLATION)
        + changed(4, b_varchar(str(PACKET)), b_varchar(str(PACKET)))
        + struct.pack("<BH", 0xAD, len(ack))
        + ack
        + done(0xFD)
    )


def call(data: bytes) -> tuple[str, dict[str, tuple[Type, object]]]:
    """A call of sp_executesql: the statement, and its parameters by name."""
    reader = Reader(data)
    reader.headers()
    if reader.number("H") != 0xFFFF or reader.number("H") != 10:
        raise Broken("a call of something else than sp_executesql")
    reader.number("H")
    values = []
    while not reader.done():
        name = reader.text(reader.number("B"))
        reader.number("B")
        kind = reader.type()
        values.append((name, kind, reader.value(kind)))
    statement, declared = values[0][2], values[1][2]
    if len(values) > 2100:
        raise TooMany
    types = declared_types(declared)
    return statement, {name[1:]: (types[name], value) for name, _, value in values[2:]}


class TooMany(Exception):
    """More parameters than the server takes."""


def declared_types(text: str) -> dict[str, Type]:
    types = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, kind = part.split(" ", 1)
        types[name] = {
            "nvarchar(4000)": Type("nvarchar", 8000),
            "nvarchar(max)": Type("nvarchar", MAX),
            "bigint": Type("bigint"),
            "int": Type("int"),
            "bit": Type("bit"),
            "datetime2": Type("datetime2", 7),
        }[kind]
    return types


def bulk_rows(data: bytes) -> Iterator[tuple]:
    """The rows of a bulk load, which brings its own description of the columns."""
    reader = Reader(data)
    types: list[Type] = []
    while True:
        match reader.number("B"):
            case 0x81:
                for _ in range(reader.number("H")):
                    reader.take(6)
                    types.append(reader.type())
                    reader.text(reader.number("B"))
            case 0xD1:
                yield tuple(reader.value(kind) for kind in types)
            case 0xFD:
                return
            case token:
                raise Broken(f"a token {token:#x} in a bulk load")


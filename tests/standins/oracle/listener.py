"""Stands in for an Oracle server: `listener.py PORT DIR` serves until it is killed. It speaks the protocol of wire.py, logs in AMX with the password
`secret`, and runs statements by engine.py. It shows how the driver uses its client, and what the store does where Oracle's SQL is taken as engine.py
takes it; that Oracle takes and answers all this so, it cannot show."""

import hashlib
import os
import socket
import sys
import threading
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import wire
from engine import Database, Refused, Session
from wire import CLOB, LONG, NUMBER, TIMESTAMP, VARCHAR, Line, Reader, ub

SERVICE, USER, PASSWORD = "FREEPDB1", "amx", b"secret"
KINDS = {"VARCHAR2": VARCHAR, "CLOB": CLOB, "NUMBER": NUMBER}
PARSE, BIND, DEFINE, EXECUTE, FETCH = 0x01, 0x08, 0x10, 0x20, 0x40
OUT = 0x10


class Statement:
    """What a cursor is of."""

    def __init__(self, sql: str):
        self.sql = sql
        self.is_block = sql.lstrip()[:5].upper().startswith(("BEGIN", "DECLA"))
        self.binds: list[tuple[int, int]] = []
        self.kinds: list[int] = []
        self.rows: list[tuple] = []
        self.inline = False


class Conversation:
    def __init__(self, sock: socket.socket, database: Database):
        self.line, self.session = Line(sock), Session(database)
        self.statements: dict[int, Statement] = {}
        self.pairs: dict[str, str] = {}

    # --- the connection

    def begin(self) -> bool:
        """Takes the call. Whether it is for this service."""
        kind, body = self.line.packet()
        length, at = int.from_bytes(body[16:18], "big"), int.from_bytes(body[18:20], "big") - 8
        asked = body[at : at + length] if len(body) >= at + length else self.line.packet()[1][2:]
        if kind != wire.CONNECT or f"(SERVICE_NAME={SERVICE})".encode() not in asked.replace(b" ", b""):
            error = b"(DESCRIPTION=(TMP=)(VSNNUM=0)(ERR=12514)(ERROR_STACK=(ERROR=(CODE=12514)(EMFI=4))))"
            self.line.send_packet(4, b"\x22\0" + len(error).to_bytes(2, "big") + error)
            return False
        self.line.send_packet(wire.ACCEPT, (318).to_bytes(2, "big") + bytes(22) + wire.SDU.to_bytes(4, "big") + bytes(9))
        self.line.long_lengths = True
        self.line.read(lambda reader: (reader.take(len(reader.data)), None)[1])  # the protocol that the client would have
        capabilities = bytearray(55)
        capabilities[7] = 12  # the fields that 19c sends
        fdo = bytes(5) + bytes([0, 0]) + bytes(2) + (2000).to_bytes(2, "big")
        head = b"\x01\x06\0Oracle stand-in\0" + (873).to_bytes(2, "little") + b"\0" + (0).to_bytes(2, "little")
        self.line.send(head + len(fdo).to_bytes(2, "big") + fdo + wire.text(bytes(capabilities)) + wire.text(bytes(11)))
        self.line.read(self.data_types)
        self.line.send(b"\x02\0\0")
        return self.log_in()

    @staticmethod
    def data_types(reader: Reader) -> None:
        reader.take(6)
        reader.text(), reader.text()
        while int.from_bytes(reader.take(2), "big"):
            if int.from_bytes(reader.take(2), "big"):
                reader.take(4)

    def log_in(self) -> bool:
        user = self.line.read(self.login)
        salt, session_salt, ours = os.urandom(16), os.urandom(16), os.urandom(32)
        key = hashlib.pbkdf2_hmac("sha512", PASSWORD, salt + b"AUTH_PBKDF2_SPEEDY_KEY", 4096, 64)
        verifier = hashlib.sha512(key + salt).digest()[:32]
        self.answer(
            AUTH_SESSKEY=aes(verifier).encryptor().update(ours).hex().upper(),
            AUTH_VFR_DATA=salt.hex().upper(),
            AUTH_PBKDF2_CSK_SALT=session_salt.hex().upper(),
            AUTH_PBKDF2_VGEN_COUNT="4096",
            AUTH_PBKDF2_SDER_COUNT="3",
        )
        self.line.read(self.login)
        theirs = aes(verifier).decryptor().update(bytes.fromhex(self.pairs["AUTH_SESSKEY"]))
        both = (theirs + ours).hex().upper().encode()
        shared = hashlib.pbkdf2_hmac("sha512", both, session_salt, 3, 32)
        password = aes(shared).decryptor().update(bytes.fromhex(self.pairs["AUTH_PASSWORD"]))[16:]
        if user.lower() != USER or password[: -password[-1]] != PASSWORD:
            self.line.send(wire.outcome(False, code=1017, message="ORA-01017: invalid username/password; logon denied"))
            return False
        self.answer(AUTH_SESSION_ID="1", AUTH_SERIAL_NUM="1", AUTH_VERSION_NO=str(19 << 24), AUTH_MAX_OPEN_CURSORS="300", AUTH_MAX_IDEN_LENGTH="128")
        return True

    def login(self, reader: Reader) -> str:
        reader.take(3)
        reader.u8(), reader.ub(), reader.ub(), reader.u8()
        count = reader.ub()
        reader.take(2)
        user = reader.text().decode()
        for _ in range(count):
            reader.ub()
            key = reader.text().decode()
            self.pairs[key] = (reader.text() or b"").decode() if reader.ub() else ""
            reader.ub()
        return user

    def answer(self, **pairs: str) -> None:
        data = b"".join(wire.texts(key.encode()) + wire.texts(value.encode()) + ub(0) for key, value in pairs.items())
        self.line.send(b"\x08" + ub(len(pairs)) + data + wire.status(False))

    # --- calls

    def serve(self) -> None:
        try:
            if self.begin():
                while True:
                    self.line.send(self.line.read(self.call)())
        except (ConnectionError, OSError):
            pass
        finally:
            self.session.close()

    def call(self, reader: Reader):
        """What a message asks for, to be done once all of it is there."""
        kind, function, _ = reader.take(3)
        while kind == 17:  # cursors to be closed, sent along with the next call
            if function != 105:
                raise ConnectionError
            reader.u8()
            for _ in range(reader.ub()):
                reader.ub()
            kind, function, _ = reader.take(3)
        match function:
            case 94:
                return self.execution(reader)
            case 4 | 78:
                number, count = reader.ub(), reader.ub()
                reader.ub(), reader.ub()
                statement = self.statements[number]
                # What a block gives out is not sent again.
                rows = [] if statement.is_block else self.bound(reader, statement, 1 if function == 78 else count)
                return lambda: self.executed(number, rows, count if function == 78 else 0, False)
            case 5:
                number, count = reader.ub(), reader.ub()
                return lambda: self.fetched(number, count)
            case 14 | 15 | 9 | 147:
                return lambda: self.ended({14: "COMMIT", 15: "ROLLBACK", 9: "ROLLBACK"}.get(function))
        raise ConnectionError

    def ended(self, word: str | None) -> bytes:
        if word:
            self.session.end(word)
        return wire.status(self.session.in_transaction)

    def execution(self, reader: Reader):
        options, number, _, _ = reader.ub(), reader.ub(), reader.u8(), reader.ub()
        reader.u8(), reader.ub(), reader.take(2), reader.ub()
        fetch = reader.ub()
        reader.ub(), reader.u8()
        binds = reader.ub()
        reader.take(5), reader.u8()
        defines = reader.ub()
        reader.ub(), reader.take(3), reader.ub(), reader.u8(), reader.ub(), reader.ub()
        reader.u8(), reader.ub(), reader.u8()
        reader.u8(), reader.ub(), reader.u8(), reader.ub(), reader.u8()
        reader.u8(), reader.ub()
        if options & PARSE:
            statement = Statement(reader.text().decode())
        else:
            statement = self.statements[number]
        reader.ub()
        count = reader.ub()
        for _ in range(11):
            reader.ub()
        if options & DEFINE:
            for _ in range(defines):
                self.bind(reader)
            return lambda: self.defined(number)
        rows = []
        if options & BIND:
            statement.binds = [self.bind(reader) for _ in range(binds)]
            rows = self.bound(reader, statement, max(count, 1) if not options & FETCH else 1)
        return lambda: self.executed(number, rows, fetch if options & FETCH else 0, True, statement)

    @staticmethod
    def bind(reader: Reader) -> tuple[int, int]:
        kind = reader.take(4)[0]
        size = reader.ub()
        reader.ub(), reader.ub()
        if reader.ub():
            reader.text()
        reader.ub(), reader.ub(), reader.u8(), reader.ub(), reader.ub()
        return kind, size

    @staticmethod
    def bound(reader: Reader, statement: Statement, count: int) -> list[list]:
        """Rows of values for the binds. In SQL those that may be long come after the others."""
        order = range(len(statement.binds))
        if not statement.is_block:
            order = sorted(order, key=lambda at: statement.binds[at][1] > 4000)
        if not statement.binds:
            return []
        rows = []
        for _ in range(count):
            if reader.u8() != 7:
                raise ConnectionError
            values: list = [None] * len(statement.binds)
            for at in order:
                data, kind = reader.text(), statement.binds[at][0]
                if data is not None:
                    values[at] = {NUMBER: wire.number_from, TIMESTAMP: lambda data: data.ljust(11, b"\0")}.get(kind, bytes.decode)(data)
            rows.append(values)
        return rows

    def executed(self, number: int, rows: list[list], fetch: int, describe: bool, statement: Statement | None = None) -> bytes:
        if statement is None:
            statement = self.statements[number]
        elif not number:
            number = max(self.statements, default=0) + 1
        try:
            columns, statement.rows, touched = self.session.run(statement.sql, rows)
        except Refused as refused:
            self.statements.pop(number, None)
            return wire.outcome(self.session.in_transaction, code=refused.code, message=str(refused))
        new = number not in self.statements
        self.statements[number] = statement
        done = wire.outcome(self.session.in_transaction, number, touched)
        if statement.is_block and statement.binds:
            head = b"\x0b\0" + ub(len(statement.binds)) + ub(0) + ub(0) + ub(0) + ub(0) + ub(0) + bytes([OUT] * len(statement.binds))
            return head + b"\x07" + wire.text(wire.number(touched)) + ub(0) + done
        if not columns:
            return done
        data = b""
        if new:
            statement.kinds = [self.kind(kind, [row[at] for row in statement.rows]) for at, (_, kind) in enumerate(columns)]
            data = wire.described([(name, kind) for (name, _), kind in zip(columns, statement.kinds)])
        return data + (self.fetched(number, fetch) if fetch and CLOB not in statement.kinds else done)

    @staticmethod
    def kind(declared: str | None, values: list) -> int:
        if declared:
            return KINDS.get(declared, TIMESTAMP)
        value = next((value for value in values if value is not None), "")
        return NUMBER if isinstance(value, int) else TIMESTAMP if isinstance(value, bytes) else VARCHAR

    def defined(self, number: int) -> bytes:
        """CLOBs come as text from now on."""
        self.statements[number].inline = True
        return wire.outcome(self.session.in_transaction, number)

    def fetched(self, number: int, count: int) -> bytes:
        statement = self.statements[number]
        rows, statement.rows = statement.rows[:count], statement.rows[count:]
        data = wire.ROW_HEADER if rows else b""
        data += b"".join(wire.row(list(row), statement.kinds, statement.inline) for row in rows)
        end = {} if len(rows) == count else {"code": 1403, "message": "ORA-01403: no data found"}
        return data + wire.outcome(self.session.in_transaction, number, len(rows), **end)


def aes(key: bytes) -> Cipher:
    return Cipher(algorithms.AES(key), modes.CBC(bytes(16)))


def main() -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    database = Database(folder)
    database.create_user(USER.upper())
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Conversation(sock, database).serve, daemon=True).start()


main()

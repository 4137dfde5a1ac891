"""Reads the tables of Kafka messages (../messages/*.table): the parser and what it yields.

    api KEY NAME VERSIONS [flexible N+] { request { FIELDS } response { FIELDS } }
    message NAME VERSIONS [flexible N+] { FIELDS }

FIELDS are separated by commas. One field is

    name: TYPE [@VERSIONS] [= DEFAULT] [tag N]

TYPE is a primitive, `struct_name { FIELDS }`, the name of a structure declared before it with
`struct struct_name { FIELDS }`, or `[TYPE]`; a `?` after it means that null is allowed, `?N+` from
version N on. VERSIONS is `N`, `N-M` or `N+`; a field without it exists wherever what contains it
does. The default is Kafka's, or zero, empty and null. Comments run from // to the line's end.
"""
import re
from dataclasses import dataclass, field

INTEGERS = ("int8", "int16", "uint16", "int32", "int64")
PRIMITIVES = INTEGERS + ("bool", "float64", "string", "bytes", "records", "uuid", "error")
LAST = 0x7fff  # "and all later versions"


def snake(name):
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name).lower()


@dataclass
class Field:
    name: str
    type: str              # a primitive, or the name of a structure
    struct: object         # the Struct of a structure, else None
    array: bool
    versions: tuple        # (first, last) within what contains it
    nullable: tuple        # versions that allow null, or None
    default: str           # as written in the table, or None
    tag: int               # or None


@dataclass
class Struct:
    name: str
    path: str              # for error texts: where it stands in the message, "" for the message
    versions: tuple
    fields: list = field(default_factory=list)
    cpp: str = ""          # its C++ name

    def tagged(self):
        return sorted((f for f in self.fields if f.tag is not None), key=lambda f: f.tag)

    def plain(self):
        return [f for f in self.fields if f.tag is None]


@dataclass
class Message:
    name: str              # "JoinGroupRequest"
    cpp: str               # "join_group_request"
    versions: tuple
    flexible: int          # first flexible version, or LAST
    root: Struct
    structs: list          # all structures in it, each after those that it contains
    key: int = -1          # of the API, -1 if it is no request or response
    api: str = ""
    response: str = ""     # a request's response (the C++ name)

    @property
    def api_cpp(self):
        return snake(self.api)


class Problem(Exception):
    pass


class Parser:
    TOKEN = re.compile(r"\s+|//[^\n]*|(-?\d+\+?|\w+|[{}\[\]:,?@=]|-|\"[^\"]*\")")

    def __init__(self, path):
        self.path, self.tokens, self.at = path, [], 0
        text = path.read_text()
        position = 0
        while position < len(text):
            match = self.TOKEN.match(text, position)
            line = text.count("\n", 0, position) + 1
            if not match:
                raise Problem(f"{path}:{line}: cannot read {text[position]!r}")
            if match.group(1):
                self.tokens.append((match.group(1), line))
            position = match.end()
        self.tokens.append(("", self.tokens[-1][1] if self.tokens else 1))

    def fail(self, what):
        raise Problem(f"{self.path}:{self.tokens[self.at][1]}: {what}")

    def peek(self):
        return self.tokens[self.at][0]

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1][0]

    def expect(self, token):
        if self.peek() != token:
            self.fail(f"expected {token!r}, found {self.peek()!r}")
        self.at += 1

    def accept(self, token):
        if self.peek() == token:
            self.at += 1
            return True
        return False

    def word(self):
        if not re.fullmatch(r"[A-Za-z_]\w*", self.peek()):
            self.fail(f"expected a name, found {self.peek()!r}")
        return self.next()

    def versions(self, last=LAST):
        """N, N-M or N+ (whose end is `last`)."""
        token = self.next()
        if token.endswith("+"):
            return (int(token[:-1]), last)
        first = int(token)
        if re.fullmatch(r"-\d+", self.peek()):  # "0-9" is read as "0" and "-9"
            return (first, -int(self.next()))
        return (first, first)

    def messages(self):
        out = []
        while self.peek():
            kind = self.word()
            if kind == "api":
                out += self.api()
            elif kind == "message":
                name = self.word()
                out.append(self.message(name, *self.head(), -1))
            else:
                self.fail("expected 'api' or 'message'")
        return out

    def head(self):
        versions = self.versions()
        flexible = LAST
        if self.accept("flexible"):
            flexible = self.versions()[0]
        return versions, flexible

    def api(self):
        key, name = int(self.next()), self.word()
        versions, flexible = self.head()
        self.expect("{")
        self.expect("request")
        request = self.message(name + "Request", versions, flexible, key)
        self.expect("response")
        response = self.message(name + "Response", versions, flexible, key)
        self.expect("}")
        request.api = response.api = name
        request.response = response.cpp
        return [request, response]

    def message(self, name, versions, flexible, key):
        self.structs = {}
        root = Struct(snake(name), "", versions)
        self.fields(root, versions)
        names = {f.name for s in list(self.structs.values()) + [root] for f in s.fields}
        for struct in self.structs:
            if struct in names:
                self.fail(f"{name}: {struct} is a structure and a field")
        for struct in self.structs.values():
            struct.cpp = f"{root.name}_{struct.name}"
        root.cpp = root.name
        return Message(name, root.name, versions, flexible, root, list(self.structs.values()), key)

    def fields(self, struct, within):
        self.expect("{")
        while not self.accept("}"):
            if self.accept("struct"):
                name = self.word()
                inner = Struct(name, name + ".", within)
                self.fields(inner, within)
                self.declare(inner)
            else:
                struct.fields.append(self.field(struct, within))
            if self.peek() != "}":
                self.expect(",")
        tags = [f.tag for f in struct.tagged()]
        if len(set(tags)) != len(tags):
            self.fail(f"{struct.name}: a tag is used twice")

    def declare(self, struct):
        if struct.name in self.structs:
            self.fail(f"structure {struct.name} is declared twice")
        self.structs[struct.name] = struct

    def field(self, parent, within):
        name = self.word()
        self.expect(":")
        array = self.accept("[")
        kind, struct, body = self.word(), None, None
        if self.peek() == "{":
            # The versions of the field are known only after its fields: read them twice.
            body = self.at
            self.skip()
        elif kind not in PRIMITIVES:
            if kind not in self.structs:
                self.fail(f"unknown type {kind}")
            struct = self.structs[kind]
        if array:
            self.expect("]")
        nullable = None
        if self.accept("?"):
            nullable = within
            if re.fullmatch(r"\d+\+", self.peek()):
                nullable = self.versions(within[1])
        versions = within
        if self.accept("@"):
            versions = self.versions(within[1])
            if versions[0] < within[0] or versions[1] > within[1]:
                self.fail(f"{name}: versions outside those of what contains it")
        default = self.next() if self.accept("=") else None
        tag = int(self.next()) if self.accept("tag") else None
        if body is not None:
            end, self.at = self.at, body
            struct = Struct(kind, parent.path + name + ("[]." if array else "."), versions)
            self.fields(struct, versions)
            self.declare(struct)
            self.at = end
        return Field(name, kind, struct, array, versions, nullable, default, tag)

    def skip(self):
        depth = 0
        while True:
            token = self.next()
            depth += (token == "{") - (token == "}")
            if not token:
                self.fail("a brace is not closed")
            if depth == 0:
                return


def read_table(path):
    return Parser(path).messages()

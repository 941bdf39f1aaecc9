"""Reads spec.toml and registers/*.rdl, and checks them: one object that all writers share."""

import dataclasses
import logging
import pathlib
import re
import tomllib

import systemrdl

COMMAND_WORDS = 32
COMMAND_BITS = 32 * COMMAND_WORDS
HEADER_WORDS = 4
REGISTER_FILES = {"tile": "Tile", "io": "Io"}


class SpecError(Exception):
    """A mistake in the specification: what, and where."""


@dataclasses.dataclass
class Field:
    """A field of a command."""

    name: str
    word: int
    lsb: int
    width: int
    signed: bool = False
    enum: str = ""
    param: bool = False
    doc: str = ""

    @property
    def first_bit(self):
        return 32 * self.word + self.lsb

    @property
    def mask(self):
        return ((1 << self.width) - 1) << self.first_bit


@dataclasses.dataclass
class Command:
    name: str
    opcode: str
    units: list
    fields: list  # its own, without the header's
    doc: str = ""
    loop: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class RecordField:
    """A field of a record in memory: `count` elements of `bytes` together."""

    name: str
    offset: int
    bytes: int
    count: int = 1
    enum: str = ""
    doc: str = ""


@dataclasses.dataclass
class Record:
    name: str
    bytes: int
    fields: list
    doc: str = ""


@dataclasses.dataclass
class RegisterField:
    name: str
    lsb: int
    width: int
    access: str
    reset: int
    doc: str


@dataclasses.dataclass
class Register:
    name: str
    offset: int
    doc: str
    fields: list


@dataclasses.dataclass
class Spec:
    configs: list
    constants: dict
    memory_map: dict
    enums: dict
    header: list
    commands: list
    records: list
    registers: dict  # name of the file -> (title, [Register])

    def reserved_mask(self, command):
        """Bits of `command` that must be zero."""
        used = 0
        for field in self.header + command.fields:
            used |= field.mask
        return ((1 << COMMAND_BITS) - 1) & ~used

    @staticmethod
    def param_words(command):
        """One bit a word: a launch parameter may be added to it."""
        return sum(1 << field.word for field in command.fields if field.param)

    @staticmethod
    def param_wide_words(command):
        """One bit a word: a parameter added to it carries into the next word."""
        return sum(1 << f.word for f in command.fields if f.param and f.width > 32)


def camel(name):
    """noc_op -> NocOp, CORE_CTRL -> CoreCtrl; CamelCase stays as it is."""
    if re.search("[a-z]", name) and re.search("[A-Z]", name):
        return name
    return "".join(part.capitalize() for part in name.split("_"))


def upper(name):
    """NumUnits -> NUM_UNITS, noc_op -> NOC_OP, Run16x2 -> RUN16X2."""
    return re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


def load(folder):
    """The specification in `folder`, checked."""
    folder = pathlib.Path(folder)
    with open(folder / "spec.toml", "rb") as file:
        raw = tomllib.load(file)
    counts = {e["count"]: len(e["values"]) for e in raw["enums"].values() if "count" in e}
    spec = Spec(
        configs=raw["config"],
        constants={**raw["constants"], **counts},
        memory_map=raw["memory_map"],
        enums=raw["enums"],
        header=_fields(raw["command"]["header"]),
        commands=[_command(n, c) for n, c in raw["command"].items() if n != "header"],
        records=[_record(n, r, raw["constants"]) for n, r in raw["record"].items()],
        registers={n: _registers(folder / "registers" / f"{n}.rdl") for n in REGISTER_FILES},
    )
    _check(spec)
    return spec


def _fields(table):
    return [
        Field(f["name"], *f["at"], **{k: v for k, v in f.items() if k not in ("name", "at")})
        for f in table["fields"]
    ]


def _command(name, table):
    return Command(
        name, table["opcode"], table["units"], _fields(table), table["doc"], table.get("loop", [])
    )


def _record(name, table, constants):
    fields = []
    for f in table["fields"]:
        offset, size = f["at"]
        count = f.get("count", 1)
        if size % count or size // count not in (1, 2, 4, 8):
            raise SpecError(f"record {name}.{f['name']}: {size} bytes are not {count} integers")
        fields.append(
            RecordField(
                f["name"], offset, size // count, count, f.get("enum", ""), f.get("doc", "")
            )
        )
    size = table["bytes"]
    return Record(name, constants[size] if isinstance(size, str) else size, fields, table["doc"])


def _registers(path):
    logging.disable(logging.INFO)
    compiler = systemrdl.RDLCompiler()
    try:
        compiler.compile_file(str(path))
        top = compiler.elaborate().top
    except systemrdl.RDLCompileError as error:
        raise SpecError(f"{path}: {error}") from error
    registers = [
        Register(
            node.inst_name,
            node.absolute_address,
            node.get_property("desc", default=""),
            [_register_field(field) for field in node.fields()],
        )
        for node in top.registers()
    ]
    return top.get_property("name"), registers


def _register_field(field):
    access = field.get_property("sw").name
    if field.get_property("onwrite") is not None:
        access += "1c" if field.get_property("onwrite").name == "woclr" else "?"
    return RegisterField(
        field.inst_name,
        field.lsb,
        field.width,
        access,
        field.get_property("reset"),
        field.get_property("desc", default=""),
    )


def _check(spec):
    """Raises SpecError at the first contradiction."""
    for name, enum in spec.enums.items():
        for key, value in enum["values"].items():
            if value >> enum["width"]:
                raise SpecError(f"enum {name}.{key}: {value} exceeds {enum['width']} bits")
        if len(set(enum["values"].values())) != len(enum["values"]):
            raise SpecError(f"enum {name}: two enumerators have one value")
        if "count" in enum and sorted(enum["values"].values()) != list(range(len(enum["values"]))):
            raise SpecError(f"enum {name}: what is counted by {enum['count']} runs from 0 without gaps")
        if "docs" in enum and set(enum["docs"]) != set(enum["values"]):
            raise SpecError(f"enum {name}: docs and values name different enumerators")
    _check_fields(spec, "header", spec.header, range(HEADER_WORDS))
    opcodes = spec.enums["opcode"]["values"]
    for command in spec.commands:
        if command.opcode not in opcodes:
            raise SpecError(f"command {command.name}: no opcode {command.opcode}")
        for unit in command.units:
            if unit not in spec.enums["unit"]["values"]:
                raise SpecError(f"command {command.name}: no unit {unit}")
        _check_fields(spec, command.name, command.fields, range(HEADER_WORDS, COMMAND_WORDS))
    missing = set(opcodes) - {command.opcode for command in spec.commands}
    if missing:
        raise SpecError(f"opcodes without a command: {sorted(missing)}")
    for record in spec.records:
        _check_record(spec, record)


def _check_fields(spec, where, fields, words):
    used = 0
    for field in fields:
        place = f"command {where}.{field.name}"
        last = field.word + (field.lsb + field.width - 1) // 32
        if field.word not in words or last not in words:
            raise SpecError(f"{place}: word {field.word} is outside {words.start}..{words.stop - 1}")
        if last != field.word and (field.lsb or field.word % 2):
            raise SpecError(f"{place}: a field of two words starts at bit 0 of an even word")
        if used & field.mask:
            raise SpecError(f"{place}: overlaps another field")
        if field.param and (field.lsb or field.width < 32):
            raise SpecError(f"{place}: a parameter can only be added to whole words")
        if field.enum and spec.enums[field.enum]["width"] != field.width:
            raise SpecError(f"{place}: {field.width} bits, enum {field.enum} has another width")
        used |= field.mask


def _check_record(spec, record):
    end = 0
    for field in sorted(record.fields, key=lambda f: f.offset):
        place = f"record {record.name}.{field.name}"
        if field.offset < end:
            raise SpecError(f"{place}: overlaps the field before it")
        if field.offset % field.bytes:
            raise SpecError(f"{place}: offset {field.offset} is no multiple of {field.bytes}")
        if field.enum and field.enum not in spec.enums:
            raise SpecError(f"{place}: no enum {field.enum}")
        end = field.offset + field.bytes * field.count
    if end > record.bytes:
        raise SpecError(f"record {record.name}: {end} bytes of fields, {record.bytes} stated")


def gaps(fields, first, end):
    """Fields in ascending order with Field `zero_N` where no field names the bits first..end-1."""
    filled, position, index = [], first, 0
    for field in sorted(fields, key=lambda f: f.first_bit):
        if field.first_bit > position:
            width = field.first_bit - position
            filled.append(Field(f"zero_{index}", position // 32, position % 32, width))
            index += 1
        filled.append(field)
        position = field.first_bit + field.width
    if position < end:
        filled.append(Field(f"zero_{index}", position // 32, position % 32, end - position))
    return filled

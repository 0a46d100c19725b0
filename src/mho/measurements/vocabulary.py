"""Words that people use for columns and pulses, in several languages, in small letters and without accents."""

from __future__ import annotations

import functools
import re
import unicodedata

from mho.measurements.units import split_unit


def fold(text: str) -> str:
    """Return a text in small letters, without accents, as words are listed here."""
    plain = "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark))
    return unicodedata.normalize("NFC", plain).casefold()


def _set(text: str) -> frozenset[str]:
    return frozenset(map(fold, text.split()))


UP = _set(
    "up ups increase increasing inc increment potentiation potentiate potentiated pot ltp set positive plus gup "
    "setzen potenzierung erhöhen erhöhung hoch potenciación potenciar potenciação potentialisation potenziamento "
    "augmentation montée subida aumento salita потенциация установка 置位 增强 上升 セット 増強 강화"
)
DOWN = _set(
    "down dn decrease decreasing dec decrement depression depress depressed dep ltd reset rst negative minus gdown "
    "rücksetzen zurücksetzen senken absenken runter dépression depresión depressão depressione diminution descente "
    "bajada "
    "discesa депрессия сброс 复位 重置 抑制 下降 リセット 抑圧 抑制 억제"
)
UP_PULSES = UP | _set(
    "u p + pos program programming prog write on écriture escritura schreiben scrittura запись 写入 書き込み"
)
DOWN_PULSES = DOWN | _set("d n - neg erase erasing off effacement borrado löschen cancellazione стирание 擦除 消去")
READ = _set(
    "read readout reads verify sense lesen lese auslesen lecture lectura lettura leitura чтение 读 读取 読み出し "
    "読出し 읽기"
)
NO_PULSES = READ | _set("none no 0 wait idle rest pause delay")
WORDS = {
    "device": _set(
        "device devices dev cell cells id chip die sample dut gerät bauelement zelle dispositivo célula 器件 单元"
    ),
    "address": _set("row col column wl bl x y address addr zeile spalte ligne colonne fila columna 行 列"),
    "direction": _set(
        "direction dir polarity sign type kind op operation mode event phase action stage pulstyp typ art richtung "
        "polarität "
        "modus vorgang sens polarité dirección polaridad modo 操作 方向 类型 极性 动作"
    ),
    "number": _set(
        "pulse pulses number num no nr n count index idx cycle cycles step k # puls pulszahl nummer impuls impulse "
        "impulsion impulsions numéro zyklus schritt pulso pulsos número ciclo impulso impulsi 脉冲 脉冲数 次数 序号"
    ),
    "pulse": _set(
        "pulse pulses puls impuls impulse impulsion impulsions pulso pulsos impulso impulsi 脉冲 脉冲数 vpulse program"
    ),
    "cycle": _set("cycle cycles zyklus cyc loop run repetition iteration round sweep ciclo 循环"),
    "sent": _set("np npulse npulses sent applied dn issued gesendet nbpulses delivered"),
    "voltage": _set(
        "v voltage volt volts vpulse amplitude bias vg vgs vds vd vgate vtop vin vapp u spannung tension voltaje "
        "voltaggio "
        "tensione tensao 电压 振幅"
    ),
    "time": _set(
        "t time timestamp date datetime second seconds elapsed zeit uhrzeit datum zeitstempel temps heure tiempo "
        "hora fecha "
        "tempo "
        "时间 日期"
    ),
    "temperature": _set("temp temperature temperatur température temperatura 温度"),
    "current": _set("i current id ids isd strom courant corriente corrente 电流"),
    "resistance": _set("r resistance res widerstand résistance resistencia resistenza 电阻"),
    "conductance": _set("g gds conductance conductances leitwert conductancia conduttanza 电导"),
    "state": _set("weight w state reading readings value y zustand gewicht poids état"),
    "difference": _set(
        "dg di dr delta δ diff difference differential change changes pp δg δi δr änderung differenz variation"
    ),
    "deviation": _set(
        "std sd sigma σ stdev stddev deviation err error sem rms uncertainty var variance streuung fehler ecart noise "
        "± cv"
    ),
    "leakage": _set("leak leakage ig igate igs iglk leck leckstrom fuite"),
    "before": _set("prev previous before initial old pre prior vorher avant anterior start"),
    "target": _set("target goal setpoint wanted soll sollwert ziel cible objetivo 目标"),
    "normalised": _set("norm normalized normalised normiert relative rel"),
    "statistic": _set("min max minimum maximum lower upper median q1 q3"),
    "mean": _set("mean avg average mittel mittelwert moyenne media"),
    "low": _set("lrs on ron ion gon low ilrs rlrs glrs"),
    "high": _set("hrs off roff ioff goff high ihrs rhrs ghrs"),
}
WORDS["reading"] = WORDS["current"] | WORDS["resistance"] | WORDS["conductance"] | WORDS["state"]
QUANTITIES = re.compile(
    r"([vuigr])_?(set|reset|read|lese|hrs|lrs|on|off|ltp|ltd|pulse|puls|prog|meas|mean|prev|gate|leak)"
)
"""A quantity's letter before a word: VSET, ILRS, Gprev."""
COMPOUNDS = re.compile(
    r"(lese|puls|programmier|set|reset|gate|drain)"
    r"(spannung|strom|nummer|nr|zahl|anzahl|typ|richtung|hohe|amplitude|voltage|current)"
)
CJK = sorted(
    {
        word
        for group in (UP, DOWN, UP_PULSES, DOWN_PULSES, READ, *WORDS.values())
        for word in group
        if word[0] > "\u2e80"
    },
    key=len,
    reverse=True,
)
BETWEEN_CJK = re.compile("(" + "|".join(map(re.escape, CJK)) + ")")


@functools.lru_cache(maxsize=4096)
def words(name: str) -> tuple[str, ...]:
    """Return the words of a column's name as they are listed here, without unit and quantities such as 0.5V."""
    bare = re.sub(r"[\d.,]*\d\s?[munµkM]?[VAs]\b", " ", split_unit(name)[0])
    return _words(bare)


def _words(text: str) -> tuple[str, ...]:
    """Words of a text; GateV and PulseV, VSET and ILRS, compounds and texts without blanks are taken apart."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    apart = BETWEEN_CJK.sub(r" \1 ", fold(apart))
    found: list[str] = []
    for token in re.findall(r"[^\W\d_]+|#|\+|-|±", apart):
        parts = QUANTITIES.fullmatch(token) or COMPOUNDS.fullmatch(token)
        found += parts.groups() if parts else (token,)
    return tuple(found)


def direction_of(name: str) -> int:
    """+1 or -1 for a name with a word such as up, LTD or reset, 0 for any other."""
    found = set(words(name))
    return bool(found & UP) - bool(found & DOWN)


@functools.lru_cache(maxsize=4096)
def sentence(cell: str) -> int:
    """Return the direction in a phrase such as "SET pulse", "Write -" or "erase pulse"."""
    found = set(_words(cell))
    way = bool(found & UP) - bool(found & DOWN)
    if way == 0 and cell.rstrip()[-1:] in ("+", "-"):
        return 1 if cell.rstrip()[-1] == "+" else -1
    longer = {word for word in found if len(word) > 2}
    return way or bool(longer & UP_PULSES) - bool(longer & DOWN_PULSES)


@functools.lru_cache(maxsize=4096)
def says_read(cell: str) -> bool:
    """Return True if a cell says that its row is a reading: "read", "Lesen", "read after SET"."""
    return bool(set(_words(cell)) & READ)


@functools.lru_cache(maxsize=4096)
def says_pulse(cell: str) -> bool:
    """Return True if a cell says that its row is a pulse, and not in which direction: "pulse", "Write"."""
    return bool(set(_words(cell)) & (WORDS["pulse"] | {"write", "program", "prog", "stimulus", "stress"}))

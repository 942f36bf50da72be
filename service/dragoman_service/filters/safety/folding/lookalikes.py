"""Letters of other scripts that look like Latin ones."""

from __future__ import annotations

_CYRILLIC = (
    "аa еe оo рp сc уy хx іi јj ѕs һh ԁd ԛq ԝw ӏl ҽe ӕæ кk вb мm тt нh ьb гr пn "
    "АA ЕE ОO РP СC УY ХX ІI ЈJ ЅS ҺH ԀD ԚQ ԜW ӀI КK ВB МM ТT НH ЬB ЗZ"
)
_GREEK = "αa ιi κk νv οo ρp τt υu χx γy ωw ηn εe βb ϲc ϳj ζz ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX ϹC Ϳj"
_LATIN = (
    "ıi ȷj ɑa ɡg ɩi ʋv łl øo đd ħh ŧt ƀb ɓb ɗd ƙk ƥp ƭt ⱥa ɛe ɪi ᴀa "
    "ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz"
)
_ARMENIAN = "օo սu հh ոn ցg զq"
_ENCLOSED = (0x1F130, 0x1F150, 0x1F170, 0x1F1E6)  # the first of 26 signs for A to Z each; NFKD knows only the first row

LOOKALIKES: dict[str, str] = {
    **{pair[0]: pair[1:].lower() for pair in f"{_CYRILLIC} {_GREEK} {_LATIN} {_ARMENIAN}".split()},
    **{chr(first + number): chr(ord("a") + number) for first in _ENCLOSED for number in range(26)},
}
"""A letter, and the small Latin letter that it looks like."""

EVERYDAY = frozenset("абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґўαβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ")
"""Small letters of Russian, Ukrainian, Belarusian and Greek: a word of these alone is not a disguised Latin word."""

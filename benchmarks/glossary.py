"""What a glossary does to the translations of a starter: terms whose translation it does not know, as rare synonyms.

    .venv/bin/python benchmarks/glossary.py DATA

DATA holds tatoeba/. Taken are the sentences with one of the terms whose reference, and whose translation without a
glossary, have its usual translation; the reference then has the synonym in the place of that.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from model.config import Task
from model.data import read_rows
from model.evaluation import EvaluationSet, score
from service.evaluate import load_alone
from service.offline import open_translator, run_in_bulk
from service.settings import STARTERS, load_settings
from service.translator import Options

TASK = Task.parse("translate:de:en")
FILES = ("tatoeba/dev.de-en.tsv", "tatoeba/test.de-en.tsv")
MOST_OF_A_TERM = 8
# Term, usual translation, synonym.
TERMS = """
Hund:dog:hound Haus:house:dwelling Katze:cat:feline Auto:car:automobile Buch:book:tome Mutter:mother:matriarch
Vater:father:sire Arzt:doctor:physician Freund:friend:comrade Frau:woman:lady Mann:man:gentleman
Kind:child:toddler Lehrer:teacher:instructor Schule:school:academy Geld:money:cash Zimmer:room:chamber
Straße:street:avenue Stadt:city:metropolis Zug:train:railway Zeit:time:period Problem:problem:issue
Frage:question:query Antwort:answer:response Brief:letter:epistle Wasser:water:liquid Tür:door:gate
Fenster:window:pane Arbeit:work:labour Tisch:table:desk Wetter:weather:climate Hilfe:help:assistance
Idee:idea:notion Fehler:mistake:blunder Leben:life:existence Land:country:nation Film:movie:picture
Polizei:police:constabulary Bruder:brother:sibling Schwester:sister:sibling Uhr:clock:timepiece
Baum:tree:sapling Kaffee:coffee:espresso Tee:tea:infusion Fisch:fish:trout Krankenhaus:hospital:clinic
Wahrheit:truth:verity Geschichte:story:tale Vertrag:contract:agreement Junge:boy:lad Mädchen:girl:lass
Geschenk:present:gift Reise:trip:voyage Regen:rain:drizzle Stuhl:chair:stool Zeitung:newspaper:gazette
Bett:bed:cot Essen:food:cuisine Abendessen:dinner:supper Flugzeug:plane:aircraft Schiff:ship:vessel
Plan:plan:scheme Krieg:war:conflict Wort:word:term Sprache:language:tongue Kopf:head:skull
Deutschland:Germany:Deutschland Boston:Boston:Chicago Französisch:French:Gallic Computer:computer:workstation
Rad:bike:bicycle Fahrrad:bike:bicycle Gitarre:guitar:lute Rat:advice:counsel Chef:boss:supervisor
Familie:family:household Unfall:accident:mishap Angst:fear:dread Fleisch:meat:beef Morgen:morning:daybreak
Musik:music:melody Vogel:bird:sparrow Pferd:horse:stallion Kleid:dress:gown Hut:hat:cap Schlüssel:key:keycard
Garten:garden:orchard Feuer:fire:blaze Bahnhof:station:terminal Traum:dream:vision Nachricht:news:bulletin
Spiel:game:match Woche:week:fortnight Jahr:year:twelvemonth
"""

console = Console(width=120)


def has(text: str, word: str) -> bool:
    """Say whether a text has a word, in capitals or not."""
    return re.search(rf"(?<!\w){word}(?!\w)", text, re.IGNORECASE) is not None


def with_synonym(reference: str, usual: str, synonym: str) -> str:
    """Return a reference with the synonym, and the article that it has."""
    replaced = re.sub(rf"(?<!\w){usual}(?!\w)", synonym, reference)
    article = "an" if synonym[0] in "aeiou" else "a"
    return re.sub(rf"(?<!\w)(a|A)n? {synonym}", lambda found: f"{found[1]}{article[1:]} {synonym}", replaced)


class Example(NamedTuple):
    """A sentence with a term."""

    source: str
    reference: str
    term: str
    plain: str
    """Its translation without a glossary."""


def main(folder: Path) -> None:
    """Print what the sentences score without and with a glossary, and how many have the synonym."""
    settings = load_settings()
    rows = [row for name in FILES for row in read_rows(name, folder)]
    terms = {term: (usual, synonym) for term, usual, synonym in (one.split(":") for one in TERMS.split())}
    with open_translator(load_alone(STARTERS / "translate-de-fr-en", settings), settings) as translator:
        examples: list[Example] = []
        outputs: list[str] = []
        for term, (usual, synonym) in terms.items():
            pairs = [row for row in rows if has(row[0], term) and has(row[1], usual)]
            plain = run_in_bulk(translator, TASK, [row[0] for row in pairs])
            of_term = [
                Example(row[0], with_synonym(row[1], usual, synonym), term, answer.texts[0])
                for row, answer in zip(pairs, plain, strict=True)
                if has(answer.texts[0], usual)
            ][:MOST_OF_A_TERM]
            options = Options(glossary={term: synonym})
            answers = run_in_bulk(translator, TASK, [example.source for example in of_term], options)
            examples += of_term
            outputs += [answer.texts[0] for answer in answers]
    report("without", examples, [example.plain for example in examples], terms)
    report("with", examples, outputs, terms)


def report(name: str, examples: list[Example], outputs: list[str], terms: dict[str, tuple[str, str]]) -> None:
    """Print a line on outputs."""
    test = EvaluationSet(TASK, [one.source for one in examples], [[one.reference] for one in examples])
    pairs = [(output, *terms[one.term]) for output, one in zip(outputs, examples, strict=True)]
    held = [has(output, synonym) for output, _, synonym in pairs]
    beside = [has(output, synonym) and has(output, usual) for output, usual, synonym in pairs]
    console.print(
        f"{name} a glossary, {len(outputs)} sentences: BLEU {score(test, outputs)['BLEU']:.1f}, "
        f"the synonym in {sum(held) / len(held):.1%}, the usual word beside it in {sum(beside) / len(held):.1%}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

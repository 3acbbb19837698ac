"""Looks at recordings and text before anything long starts, and says what to change.

    wavu check audio_dir=recordings text=sentences.txt language=de

Files that cannot be read, silence, clipping, doubles, too little speech or text, words in another alphabet, a language without a
voice; and how long the path will take, how much memory and how much disk. A line begins with ok or with change. Nothing is written.
"""

from wavu.command import command, composed
from wavu.progress import say
from wavu.settings.audio import PrepareAudio
from wavu.settings.path import Check
from wavu.stages.checks import of_audio, of_machine, of_text


def check(settings: Check) -> None:
    """Look, and tell each finding in a line."""
    prepared = composed("prepare_audio", PrepareAudio, [f"audio_dir={settings.audio_dir}", "out_dir=."])
    limits = prepared.plain("vad", "min_seconds", "max_clipped")
    audio = of_audio(settings.audio_dir, limits=limits, **settings.plain("sample", "seed"))
    text = of_text(settings.text, **settings.plain("language", "units", "voice"))
    findings = [*audio.findings, *text, *of_machine(audio.hours, settings.audio_dir)]
    for finding in findings:
        say(str(finding))
    wrong = sum(not finding.fine for finding in findings)
    say(f"{wrong} of {len(findings)} to change" if wrong else "all well: wavu learn with the same settings and out_dir=")


main = command("check", Check, check, __doc__)

if __name__ == "__main__":
    main()

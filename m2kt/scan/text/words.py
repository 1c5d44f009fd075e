"""The words and phrases that instructions are made of. What a rule means can be read here; nothing is learned."""

import re


def words(text: str) -> frozenset[str]:
    """The words of ``text``."""
    return frozenset(text.split())


OVERRIDE = words(
    "ignore ignoring disregard disregarding forget forgetting override overriding bypass bypassing circumvent neglect "
    "discard dismiss abandon suspend ignoriere ignorieren missachte vergiss ignora ignorar olvida ignorez oubliez "
    "oublie ignori dimentica игнорируй игнорируйте забудь"
)
RULES = words(
    "instruction instructions prompt prompts rule rules guideline guidelines directive directives command commands "
    "restriction restrictions constraint constraints safeguard safeguards programming training orders policy policies "
    "guardrails guardrail anweisungen anweisung regeln vorgaben instrucciones instruccion reglas consignes regles "
    "istruzioni regole инструкции правила указания"
)
OWN = words(
    "previous prior above earlier preceding former all any every your system initial original existing safety given "
    "past old these those my their such alle vorherigen bisherigen anteriores todas precedentes toutes precedenti "
    "предыдущие все"
)
SHOW = words(
    "reveal print show leak output display repeat send share post upload exfiltrate email forward disclose expose give "
    "tell dump transmit write"
)
SECRET = words("password passwords credentials secrets keys tokens passphrase")
HIDE = words("tell mention inform reveal alert notify report warn disclose")
PEOPLE = words(
    "user users anyone human humans operator operators reviewer reviewers auditor auditors administrator admin"
)
PASS = words("approve accept trust certify whitelist allowlist mark classify rate label flag report treat grade")
GOOD = words("safe approved trusted benign clean harmless verified passed trustworthy")
THIS = words("this packet content text message model data input submission document it file")
SKIP = words("skip disable bypass omit suppress deactivate off")
CHECKING = words(
    "verification scan scans scanning checks safety filters signature signatures moderation review audits logging"
)
FREE = words("unrestricted unfiltered uncensored jailbroken jailbreak dan evil limitless amoral")
ROLE = words("act acting pretend roleplay behave become imagine simulate respond answer")

ORDERS: dict[str, tuple[frozenset[str], ...]] = {
    "it tells its reader to drop instructions": (OVERRIDE, OWN, RULES),
    "it asks for secrets": (SHOW, OWN, SECRET),
    "it tells its reader to keep something from people": (words("not never don dont without avoid"), HIDE, PEOPLE),
    "it asks to be approved": (PASS, THIS, GOOD),
    "it asks to switch checks off": (SKIP, OWN | THIS | words("the"), CHECKING),
    "it names an unrestricted role for its reader": (ROLE, FREE),
}
"""Kinds of words that make an instruction when they follow one another closely."""


def _any(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


PHRASES = {
    "it speaks as a chat's frame": _any(
        r"<\|(?:im_start|im_end|system|assistant|user|endoftext|eot_id|start_header_id)\|?>",
        r"\[/?INST\]",
        r"<</?SYS>>",
        r"(?:^|\n)\s{0,8}#{2,4}\s{0,4}(?:system|instruction|assistant)s?\s{0,4}:?\s{0,4}(?:\n|$)",
        r"(?:^|\n)\s{0,8}(?:system|assistant)\s{0,3}:\s{0,4}\S",
    ),
    "it names a new role for its reader": _any(
        r"\byou ?are ?now\b|youarenow",
        r"\bfrom now on,? you\b",
        r"\byou (?:must|will|shall) now\b",
        r"\byour new (?:role|task|instructions?)\b",
        r"\bnew instructions?\s?:",
        r"\b(?:developer|god|sudo|admin|debug) mode\b.{0,40}\b(?:enabled|on|activated|unlocked)\b",
        r"\bpretend (?:to be|that you|you)\b.{0,60}\b(?:no|without|any)\b",
        r"\bdo anything now\b",
    ),
    "it asks for the system prompt": _any(
        r"\b(?:reveal|print|show|leak|output|display|repeat|send|share|disclose|give|tell|dump|what (?:is|are|was))\b"
        r".{0,40}\b(?:system (?:prompt|message|instructions?)|initial instructions|hidden (?:prompt|instructions?))\b"
    ),
    "it runs a command": _any(
        r"\brm\s{1,4}-[rf]{1,3}\b",
        r"\b(?:curl|wget)\b[^\n|]{1,200}\|\s{0,4}(?:ba|z)?sh\b",
        r"\bos\.system\s?\(",
        r"\b__import__\s?\(",
        r"\bsubprocess\.(?:run|call|popen|check_output)\s?\(",
        r"\bpowershell\b.{0,20}\s-e",
        r"\beval\s?\(\s?(?:atob|base64|compile|input)",
        r"\bdrop\s{1,4}table\b",
        r"\bunion\s{1,4}select\b",
        r"'\s?or\s{1,4}'?1'?\s?=\s?'?1",
    ),
    "it acts in a page": _any(
        r"<\s?(?:script|iframe|object|embed)\b",
        r"\bjavascript\s?:",
        r"\bon(?:error|load|click|mouseover)\s?=\s?[\"'a-z]",
        r"!\[[^\]\n]{0,80}\]\(https?://[^)\s]{1,200}[?&][a-z]{1,20}=",
        r"\{\{.{0,60}(?:__|config|request)",
    ),
    # Chinese and Japanese write no spaces between words.
    "it tells its reader to drop instructions": _any(
        r"(?:忽略|无视|無視|忘记|忘掉).{0,12}(?:指令|提示|规则|規則|指示|说明)",
        r"(?:指示|命令|ルール).{0,6}(?:無視|忘れ)",
    ),
}

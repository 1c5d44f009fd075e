"""A text that hides what it says is flagged for that; the same means in honest use are left alone."""

import base64
import codecs

import pytest

from m2kt.scan.text.concealed import concealments
from m2kt.scan.text.normal import plain

SAID = "the heron waits by the river until the evening comes"
"""Nothing that any reader of contents minds."""
STYLED = str.maketrans({chr(97 + at): chr(0x1D41A + at) for at in range(26)})
DOUBLES = str.maketrans({"a": "а", "e": "е", "o": "о", "i": "і"})
UNSEEN = "it has characters that nobody sees"
ALIKE = "its letters pass for others"
ENCODED = "it is in an encoding"
CIPHER = "it is in a cipher"
APART = "its letters are drawn apart"
NATO = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo "
    "sierra tango uniform victor whiskey xray yankee zulu"
)
SPELT = {each[0]: each for each in NATO.split()}
BRAILLE = dict(zip("abcdefghijklmnopqrstuvwxyz ", "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵⠀", strict=True))


def apart(text, mark):
    return mark.join(text)


@pytest.mark.parametrize(
    ("text", "how"),
    [
        (apart(SAID, "\u200b"), UNSEEN),
        (apart(SAID, "\u2060"), UNSEEN),
        (SAID.replace("e", "e\ufe0f"), UNSEEN),
        (SAID.replace("e", "e\u00ad"), UNSEEN),
        ("a small grammar" + "".join(chr(0xE0000 + ord(each)) for each in SAID), UNSEEN),
        ("a small \u202eramarg", UNSEEN),
        (SAID.translate(DOUBLES), ALIKE),
        ("p\u0430ssw\u043erd", ALIKE),
        (SAID.translate(STYLED), ALIKE),
        ("".join(chr(ord(each) + 0xFEE0) if each != " " else "\u3000" for each in SAID), ALIKE),
        ("".join(each + "\u0336" for each in SAID), ALIKE),
        (base64.b64encode(SAID.encode()).decode(), ENCODED),
        (" ".join(base64.b64encode(each.encode()).decode() for each in SAID.split()), ENCODED),
        (f"id_{base64.b64encode(SAID.encode()).decode().rstrip('=')}_v2", ENCODED),
        (SAID.encode().hex(), ENCODED),
        ("".join(f"%{ord(each):02X}" for each in SAID), ENCODED),
        ("".join(f"&#{ord(each)};" for each in SAID), ENCODED),
        (" ".join(str(ord(each)) for each in SAID), ENCODED),
        (" ".join(f"{ord(each):08b}" for each in SAID), ENCODED),
        (" ".join(f"{ord(each):03o}" for each in SAID), ENCODED),
        ("".join(BRAILLE[each] for each in SAID), ENCODED),
        (base64.b85encode(SAID.encode()).decode(), ENCODED),
        (" / ".join(" ".join(SPELT[each] for each in word) for word in SAID.split()), ENCODED),
        (codecs.encode(SAID, "rot13"), CIPHER),
        (SAID[::-1], CIPHER),
        (apart(SAID, "."), APART),
        (apart(SAID, " "), APART),
        ("".join(f"[{each}]" for each in SAID), APART),
        (" + ".join(f'"{SAID[at : at + 3]}"' for at in range(0, len(SAID), 3)), APART),
        (" ".join(f"{each[:2]}\U0001f538{each[2:]}" for each in SAID.split()), APART),
    ],
)
def test_a_disguise_is_a_finding_whatever_is_under_it(text, how):
    assert how in list(concealments(text))


@pytest.mark.parametrize(
    "text",
    [
        SAID,
        "Nguyên nhân của vấn đề này đã được tìm thấy trong bản cập nhật mới nhất",
        "می‌خواهم این کتاب‌ها را بخوانم",
        "हिन्दी में क्‍या लिखा है यह पढ़िए",
        "👩‍👩‍👧‍👦 1️⃣ ❤️ and \U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "𝒩(𝜇, 𝜎²) with 𝐱 = 𝐖𝐡 + 𝐛, ΔE = hν, 5 kΩ, TNFα and NF-κB",
        "機械学習モデルの精度は９５％です。ＡＩの応用例",
        "/ˈfəʊnɛtɪks/ and [ˈwɔːtə]",
        "Это IT-компания, SMSка и GPT-4",
        "Ọ̀rúnmìlà ni ó ń kọ́ wa ní ọgbọ́n",
        "Wǒ xiǎng xué zhōngwén, Muḥammad ibn Mūsā al-Khwārizmī",
        "Die Donau\u00addampf\u00adschiffahrts\u00adgesellschaft",
        "מודל שאומן על English text",
        "a b c d e f g h i j k l m n o p q r s t u v w x y z",
        "Symbols: 0 1 2 3 4 5 6 7 8 9 a b c d e f + - * & | ^ # : = ;",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "https://example.org/path/file%20name.html?x=%5B1%5D",
        "https://ru.wikipedia.org/wiki/%D0%9C%D0%BE%D1%81%D0%BA%D0%B2%D0%B0",
        "alpha beta gamma delta epsilon zeta eta theta",
        "ATGGCCATTGTAATGGGCCGCTGAAAGGGTGCCCGATAG",
        "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6",
        "S-O-S means save our souls; R.S.V.P. by May; U.S.A.; e.g. i.e. a.k.a.",
        '["llama", "cow", "llama", "beetle", "llama", "hippo"]',
        "| columns | 7 | 0.000 | 0.000 | refused | refused | 0.985 | 0.890 | 0.004 |",
        "std::vector<std::string> and a[i][j] += b[j][k]",
        "45 67 89 100 102 88 77 66 55 44 99 101",
    ],
)
def test_honest_use_of_the_same_means_is_left_alone(text):
    assert list(concealments(text)) == []


def test_letters_in_brackets_are_letters():
    assert plain("⒮⒜⒡⒠") == "safe"

"""Words that languages are full of: what a deciphered text has to have, and what a text without spaces is cut into."""

from m2kt.scan.text.words import ORDERS, words

COMMON = words(
    "the be to of and a in that have i it for not on with he as you do at this but his by from they we say her she or "
    "an will my one all would there their what so up out if about who get which go me when make can like time no just "
    "him know take people into year your good some could them see other than then now look only come its over think "
    "also back after use two how our work first well way even new want because any these give day most us is are was "
    "were been has had did does done said made must should may might let please every each before above below previous "
    "instructions instruction ignore prompt system reply answer print reveal tell send user users assistant model rules "
    "key keys secret password access token file files data safe approve mark note never always without until again here "
    "where why very much many more less own same too such through between against while during under call read write "
    "run open show list name number line text word words next last part code order turn keep hand home live house phone "
    "email address card account date born der die das und ist nicht ein eine zu den von mit auf fur sie ich du alle "
    "bitte anweisungen gib le la les de des et est pas un une que pour dans ce vous tu tous toutes el los las y en por "
    "para con su todas instrucciones il di che per non una tutte je een het niet van o os as um uma nao todos"
)
MATTERING = frozenset(word for kinds in ORDERS.values() for kind in kinds for word in kind if word.isascii())
_CUTS = frozenset(each for each in COMMON | MATTERING if len(each) > 2) | words(
    "a i to of in is it be as at on or if no my me we us do go so an by up you are now act role task mode developer"
)
LONG = 18
"""Letters from which on a word is taken for several without spaces."""
_LONGEST = max(map(len, _CUTS))
_STRAY = 4.0
"""What a letter in no word costs, beside 1 for each word: a cut with fewer stray letters is the better one."""


def parted(word: str) -> list[str]:
    """The word and, if it is a long run of letters, those that it is made of: the cheapest cut, by dynamic programming."""
    if len(word) < LONG or not word.isascii():
        return [word]
    costs, cuts = [0.0], [0]
    for end in range(1, len(word) + 1):
        cost, start = costs[-1] + _STRAY, end - 1
        for at in range(max(0, end - _LONGEST), end):
            if costs[at] + 1 < cost and word[at:end] in _CUTS:
                cost, start = costs[at] + 1, at
        costs.append(cost)
        cuts.append(start)
    found, end = [], len(word)
    while end:
        found.append(word[cuts[end] : end])
        end = cuts[end]
    return [word, *reversed(found)]

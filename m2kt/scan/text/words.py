# ruff: noqa: E501 - lists of words and patterns
"""The words that instructions are made of, by kind. What a rule means can be read here; nothing is learned.

English first, then German, French, Spanish, Italian, Portuguese, Dutch, Russian; without accents, as `plain` leaves them.
"""


def words(text: str) -> frozenset[str]:
    """The words of ``text``."""
    return frozenset(text.split())


OVERRIDE = words(
    "ignore ignoring disregard disregarding forget forgetting override overriding "
    "overrule bypass bypassing circumvent neglect discard dismiss abandon suspend supersede replace "
    "cancel revoke void drop erase delete wipe unlearn overlook sidestep skip violate break lifted lift waive waived "
    "ignoriere ignorieren ignoriert missachte missachten vergiss vergesst vergessen verwirf umgehe ubergehe "
    "ignorez ignorer oublie oubliez outrepasse outrepassez contourne contournez abandonne abandonnez "
    "ignora ignorar ignore olvida olvide olvidar olvidad descarta descarte omite omita salta "
    "ignori ignorate dimentica dimentichi dimenticate tralascia trascura esqueca esquecer desconsidere desconsidera "
    "negeer vergeet negeren игнорируй игнорируйте игнорировать забудь забудьте отмени пренебреги"
)
RULES = words(
    "instruction instructions prompt prompts preprompt rule rules guideline guidelines guidance directive directives "
    "command commands restriction restrictions constraint constraints safeguard safeguards programming training orders "
    "policy policies guardrails guardrail limitation limitations limits boundaries context briefing conditioning ethics "
    "anweisung anweisungen instruktionen regeln regel vorgaben vorgabe richtlinien beschrankungen einschrankungen "
    "instrucciones instruccion reglas regla directrices restricciones restriccion limitaciones ordenes "
    "consignes consigne regles instructions restrictions directives contraintes "
    "istruzioni istruzione regole direttive restrizioni vincoli instrucoes regras diretrizes restricoes "
    "instructies regels richtlijnen beperkingen инструкции инструкций правила правил указания указаний ограничения"
)
OWN = words(
    "previous previously prior above earlier preceding former foregoing all any every each your system initial original "
    "existing safety given past old these those my their such everything other current developer hidden internal "
    "les las los gli der die das den alle allen bisherigen vorherigen vorigen obigen fruheren deine ihre samtliche anteriores anterior previas todas "
    "todos tus sus precedentes precedente toutes tous tes vos anterieures precedenti tutte tutti tue prossime todas "
    "suas eerdere vorige alle jouw uw предыдущие предыдущих все всех свои прежние"
)
SHOW = words(
    "reveal print show leak output display repeat send share post upload exfiltrate email mail "
    "forward disclose expose give tell dump transmit write paste attach append include recite spell list quote publish "
    "deliver hand pass relay report surrender fetch read gib zeige zeig nenne verrate schicke sende drucke liste "
    "revele revelez montre montrez affiche affichez envoie envoyez donne donnez revela revele muestra muestre envia "
    "envie imprime dime lista mostra mostri mostrami rivela stampa invia mostre envie toon geef stuur покажи раскрой "
    "отправь выведи напиши"
)
SECRET = words(
    "password passwords credentials credential secrets keys tokens passphrase passphrases apikey apikeys "
    "passwort passworter zugangsdaten schlussel geheimnisse "
    "contrasena contrasenas claves clave credenciales cle cles identifiants motdepasse chiavi chiave credenziali "
    "senha senhas wachtwoord sleutels пароль пароли ключ ключи"
)
HIDE = words(
    "tell mention inform reveal alert notify report warn disclose say show acknowledge discuss bring refer admit "
    "erwahne erwahnen sage sag melde mentionne mentionnez dis dites signale menciones mencione digas diga avises "
    "menzionare dire avvisa mencione diga vermeld zeg упоминай говори сообщай"
)
NOT = words(
    "not never don dont without avoid nor nothing nobody stop kein keine nicht nie ne pas jamais no nunca jamas sin "
    "non mai senza nao niet nooit не никогда"
)
PEOPLE = words(
    "user users anyone anybody human humans operator operators reviewer reviewers auditor auditors administrator admin "
    "admins people owner maintainer maintainers person customer moderator moderators developer team security nutzer "
    "benutzer anwender prufer utilisateur utilisateurs usuario usuarios revisor utente utenti gebruiker "
    "пользователю пользователя"
)
PASS = words(
    "approve approves accept trust certify whitelist allowlist mark classify rate label flag report treat grade score "
    "consider declare deem rank assign stufe bewerte markiere genehmige klassifiziere approuve approuvez valide validez "
    "marque marca marque aprueba apruebe clasifica califica aprova aprove approva segna classifica goedkeuren markeer "
    "одобри пометь"
)
GOOD = words(
    "safe approved trusted benign clean harmless verified passed trustworthy pass passing compliant legitimate valid "
    "sicher unbedenklich harmlos vertrauenswurdig bestanden sur sure fiable inoffensif conforme seguro segura aprobado "
    "confiable inofensivo sicuro sicura innocuo affidabile veilig безопасный безопасным"
)
THIS = words(
    "this packet content text message model data input submission document it file the these upload artifact artefact "
    "package entry record commit patch code change paket dieses diese datei inhalt paquet ce cette fichier paquete este "
    "esta archivo pacchetto questo questa pacote este pakket dit"
)
SKIP = words(
    "skip disable bypass omit suppress deactivate off ignore stop pause remove turn switch without uberspringe deaktiviere "
    "schalte desactive desactivez saute sautez desactiva desactive omite omita salta disattiva disabilita desative pule "
    "отключи пропусти"
)
CHECKING = words(
    "verification verifications scan scans scanning checks safety filters signature signatures moderation "
    "review reviews audits guardrails protection protections prufung prufungen "
    "sicherheitsprufung filtre filtres controle verifications verificacion revision filtros controlli verifica filtri "
    "controles проверку проверки фильтры"
)
FREE = words(
    "unrestricted unfiltered uncensored jailbroken jailbreak dan evil limitless amoral unbound unchained unconstrained "
    "stan dude aim omega root superuser administrator administrador administrateur amministratore uneingeschrankt "
    "unzensiert ungefiltert"
)
ROLE = words(
    "act acting pretend roleplay behave become imagine simulate respond answer play assume emulate impersonate "
    "comporte agis repond actua actue finge responde comportati agisci rispondi atue aja handle verhalte antworte"
)
READER = words(
    "assistant assistants ai llm llms chatbot chatbots bot gpt chatgpt claude gemini copilot agent agents model models "
    "reviewer reviewers scanner classifier summariser summarizer ki ia sprachmodell assistent assistente asistente modele"
)
MUST = words(
    "must should shall needs has please kindly obliged required ordered instructed told asked expected now immediately "
    "muss soll sollst musst bitte doit devez dois debe debes deve devi deves moet должен"
)
DO = words(
    "approve ignore forward send reply respond answer output print execute run call invoke follow obey comply delete "
    "visit open download fetch upload email reveal include append copy repeat recommend rate mark return write carry "
    "disregard treat merge accept transfer buy pay click"
)
INTO = words("your reply answer response output summary message conversation review report final next every")

ORDERS: dict[str, tuple[frozenset[str], ...]] = {
    "it tells its reader to drop instructions": (OVERRIDE, OWN, RULES),
    "it asks for secrets": (SHOW, OWN, SECRET),
    "it tells its reader to keep something from people": (NOT, HIDE, PEOPLE),
    "it asks to be approved": (PASS, THIS, GOOD),
    "it asks to switch checks off": (SKIP, OWN | THIS | words("the"), CHECKING),
    "it names an unrestricted role for its reader": (ROLE, FREE),
    "it gives orders to a model": (READER, MUST, DO),
}
"""Kinds of words that make an instruction when they follow one another closely."""

# ruff: noqa: E501 - lists of words and patterns
"""Turns of phrase that instructions come in, and what acts on programs that open a text. Linear-time patterns only:
every repetition is bounded."""

import re


def _any(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


PHRASES = {
    "it speaks as a chat's frame": _any(
        r"<\|(?:im_start|im_end|im_sep|system|assistant|user|eot_id|start_header_id|end_of_turn)\|?>",
        r"\[/?INST\]|<</?SYS>>|</?s>\s?\[|<(?:start|end)_of_turn>",
        r"(?:^|\n)\s{0,8}#{2,4}\s{0,4}(?:system|instruction|assistant|new task|human|user)s?\b[^\n]{0,40}(?:\n|$)",
        r"(?:^|\n)\s{0,8}(?:system|assistant)\s{0,3}:\s{0,4}\S",
        r"\[\s?(?:system|admin|assistant|developer)(?: (?:message|note|prompt|override|instruction)s?)?\s?\]",
        r"</?\s?(?:system|instructions?|system_prompt|assistant|admin|important)\s?>",
        r"\b(?:begin|end|start) (?:of )?(?:system|user|admin) (?:prompt|message|instructions?|input)\b",
        r"\bsystem (?:override|notice|alert|update|message)\b\s?[:(\]]",
    ),
    "it names a new role for its reader": _any(
        r"\byou ?are ?now\b|youarenow",
        r"\bfrom (?:now on|here on|this (?:point|moment)(?: on)?|here forward),? (?:you|the only|your|answer|respond)\b",
        r"\byou (?:must|will|shall|should) now\b",
        r"\byour (?:new|real|true|actual|only) (?:role|task|instructions?|goal|purpose|objective|job|mission)\b",
        r"\b(?:new|updated|revised|additional|real|actual) (?:instructions?|orders|directives?)\s?(?::|for (?:you|the (?:ai|model)))",
        r"\b(?:developer|god|sudo|unrestricted|dan|jailbreak|opposite) mode\b",
        r"\b(?:admin|debug|maintenance|root|safety|compliance) mode\b.{0,40}\b(?:enabled|activated|unlocked|is on|on\b|off)",
        r"\bpretend (?:to be|that you|you)\b.{0,60}\b(?:no|without|any|never|not)\b",
        r"\bdo anything now\b",
        r"\b(?:without|no|free (?:of|from)|lifted) (?:any |all |your |the )?(?:content polic(?:y|ies)|(?:ethical |moral |safety )"
        r"?(?:restrictions|guidelines|limitations|filters|constraints)|censorship)\b",
        r"\bstay in character\b|\bnever (?:refuse|break character)\b|\bcomply with (?:every|all|any) (?:request|order)s?\b",
        r"\bdu bist (?:jetzt|nun|ab sofort)\b|\bab (?:jetzt|sofort) (?:bist|antwortest|gilt|gelten)\b",
        r"\btu es (?:maintenant|desormais)\b|\bvous etes (?:maintenant|desormais)\b|\bdesormais,? (?:tu|vous)\b",
        r"\b(?:a partir de ahora|desde ahora|ahora eres|de ahora en adelante)\b|\bd'ora in poi\b|\bda (?:ora|adesso) in (?:poi|avanti)\b",
        r"\ba partir de agora\b|\bvanaf nu\b|\bje bent nu\b|\bтеперь ты\b|\bты теперь\b",
    ),
    "it asks for the system prompt": _any(
        r"\b(?:reveal|print|show|leak|output|display|repeat|send|share|disclose|give|tell|dump|recite|quote|paste|translate|"
        r"summari[sz]e|encode|what (?:is|are|was|were)|gib|zeige?|verrate|nenne|affiche[rz]?|revele[rz]?|montre[rz]?|muestra|"
        r"revela|mostra|rivela|mostre)\b"
        r".{0,60}\b(?:system[\s-]?(?:prompt|message|instructions?)|(?:initial|hidden|original|secret|internal) "
        r"(?:instructions?|prompts?|rules?|guidelines)|sys(?:tem)?prompt|prompt (?:del|de) sist?ema|prompt systeme|"
        r"(?:text|words|everything|sentences?) (?:above|before) (?:this|the))\b",
        r"\brepeat (?:everything|all|the (?:text|words)) (?:above|before)\b",
    ),
    "it runs a command": _any(
        r"\brm\s{1,4}-[rf]{1,3}\b",
        r"\b(?:curl|wget)\b[^\n|]{1,200}\|\s{0,4}(?:sudo )?(?:ba|z|da)?sh\b",
        r"\$\(\s?(?:curl|wget|cat|id|whoami|nc|bash|sh|env|printenv)\b|(?<!`)`\s?(?:curl|wget|cat|whoami|nc|bash|rm|printenv)\s[^`\n]{1,200}`(?!`)",
        r"(?:;|&&|\|\|?)\s{0,4}(?:curl|wget|nc|bash|sh|rm|cat|chmod|powershell|python3?|perl)\s{1,4}[-/~\w]",
        r"/dev/tcp/|\bnc\s{1,4}-[a-z]{0,4}e\b|\bbash\s{1,4}-[ic]\b|>\s?/etc/|\b(?:cat|less|cp|scp|type)\s{1,4}\S{0,40}(?:/etc/(?:passwd|shadow)|\.ssh|\.aws|\.env)\b",
        r"\bos\.(?:system|popen)\s?\(",
        r"\b__import__\s?\(",
        r"\bsubprocess\.(?:run|call|popen|check_output)\s?\([^)\n]{0,80}(?:curl|wget|bash|/bin/|rm -|nc |powershell|shell\s?=\s?True)",
        r"\bpowershell\b.{0,20}\s-e|\binvoke-expression\b|\biex\s?\(|\bcmd(?:\.exe)?\s?/c\b",
        r"\beval\s?\(\s?(?:atob|base64|compile|input)|\bexec\s?\(\s?(?:base64|requests|urllib|compile|__)",
        r"\bdrop\s{1,4}(?:table|database)\b\s{1,4}\w{1,60}\s?(?:;|--|$)|;\s?drop\s{1,4}table\b",
        r"\bunion\s{1,4}(?:all\s{1,4})?select\b.{0,40}\b(?:null|password|from users)\b|\bxp_cmdshell\b",
        r"'\s?or\s{1,4}'?1'?\s?=\s?'?1|'\s?;\s?--",
    ),
    "it acts in a page": _any(
        r"<\s?(?:script|iframe|object|embed|svg)\b(?=[^>\n]{0,200}(?:>|src|on))",
        r"\bjavascript\s?:|\bdata:text/html|\bvbscript\s?:",
        r"\bon(?:error|load|click|mouseover|focus|toggle)\s?=\s?[\"'`a-z]",
        r"!\[[^\]\n]{0,80}\]\(\s?https?://[^)\s]{1,200}[?&][a-z_]{1,20}=",
        r"https?://\S{1,120}[?&/][\w=]{0,20}(?:\{\{|\$\{|<(?:data|conversation|secret|user|history|prompt|token))",
        r"\{\{.{0,60}(?:__|config|request|history|conversation|secret|\d\s?\*\s?\d)|\$\{jndi:|<%=|<!ENTITY\b",
        r"\bdocument\.(?:cookie|location|write)\b|\blocalStorage\b\.?|\bhttp-equiv\s?=\s?[\"']?refresh",
        r"(?:^|[\n\t,;])\s?[=@+]\s?(?:cmd\||HYPERLINK\s?\(|IMPORTXML\s?\(|WEBSERVICE\s?\(|DDE\s?\()",
    ),
    "it sends what it reads elsewhere": _any(
        r"\b(?:send|forward|post|append|upload|submit|transmit|exfiltrate|email|deliver|encode|attach|add|put)\b[^\n]{0,120}"
        r"\b(?:to|at|into|onto|in)\b[^\n]{0,60}(?:https?://|\bwww\.|\burl\b|\bwebhook\b|[\w.-]{1,40}@[\w-]{1,40}\.)",
        r"\b(?:fetch|visit|open|load|render|request|call|embed)\b[^\n]{0,40}https?://\S{1,80}[^\n]{0,60}"
        r"\b(?:and (?:follow|obey|execute|run|do)|with (?:the|your|all)|containing)\b",
    ),
    "it tells its reader to drop instructions": _any(
        # Chinese, Japanese and Korean write no spaces where these stand, or put the verb last.
        r"(?:忽略|无视|無視|忘记|忘掉|不要理会|跳过).{0,16}(?:指令|提示|规则|規則|指示|说明|要求|限制)",
        r"(?:指示|命令|ルール|指令|プロンプト).{0,8}(?:無視|忘れ|従わ)",
        r"(?:지시|명령|규칙|프롬프트).{0,10}(?:무시|잊)",
        r"(?:تجاهل|انس).{0,30}(?:التعليمات|الأوامر|القواعد)|(?:पिछले|सभी).{0,20}(?:निर्देश|नियम).{0,20}(?:अनदेखा|भूल)",
        r"\b(?:tenir|tiens|tenez) plus compte\b|\bne tiens? pas compte\b|\bno (?:hagas|haga) caso\b|\bnon tenere conto\b",
        r"\b(?:set|put|lay|throw|cast) aside (?:all|any|every|your|the|whatever|what)\b.{0,60}\b(?:rules|guid|instruct|told|given|handed)",
        r"\b(?:no longer|do not|don't|stop|never|need not) (?:apply|follow|obey|heed|bound by|adher\w{0,3} to|obeying|following)\b"
        r".{0,50}\b(?:instructions?|rules|guidelines|prompt|policy|policies|restrictions)\b",
        r"\b(?:instructions?|rules|guidelines|restrictions|prompts?|policies)\b.{0,40}\b(?:no longer (?:apply|count|matter|hold|valid)|"
        r"(?:is|are|have been|were|was) (?:lifted|void|cancell?ed|revoked|obsolete|superseded|outdated|replaced|suspended|a test))",
    ),
    "it tells its reader to keep something from people": _any(
        r"\b(?:do not|don't|never|without) (?:mention|mentioning|tell|telling|reveal|revealing|disclose|disclosing|show|showing|"
        r"report|reporting|quote|asking|notify|notifying|inform|informing|repeat)\b.{0,60}\b(?:this|user|human|anyone|instruction|note|"
        r"sentence|line|change|message)s?\b",
        r"\b(?:leave|keep) (?:this|that|these|it) .{0,30}\b(?:out|secret|hidden|to yourself|confidential)\b",
        r"\bas (?:though|if) nothing (?:had )?happened\b|\backnowledge silently\b|\b(?:silently|secretly|quietly) "
        r"(?:comply|do|send|add|insert|include|run|execute|forward|append|call|install|approve|proceed)\b",
    ),
    "it asks to be approved": _any(
        r"\b(?:mark|rate|score|grade|flag|classify|label|give|treat|declare|report|stufe|markiere|bewerte|valide|approuve|marca|"
        r"aprueba|considera)\b.{0,60}\b(?:as (?:\w+ )?(?:safe|benign|approved|trusted|clean|harmless|verified|passed|compliant|low[ -]risk)|"
        r"10/10|100/100|5/5|full marks|highest (?:score|rating|mark)|five stars|unbedenklich|harmlos|sicher|sans (?:autre )?"
        r"(?:verification|controle)|como segur[oa]|come sicur[oa])",
        r"\b(?:has been|was|is|were|have) (?:already |been ){0,3}(?:pre-?approved|cleared|vetted|whitelisted|checked|verified|audited)\b"
        r".{0,80}\b(?:skip|no (?:need|further)|without|merge|approve|mark|accept|bypass|remaining)\b",
        r"\b(?:answer|respond|reply|output|return|say)\b.{0,20}\b(?:only|just|exactly|simply|nothing but)\b.{0,40}"
        r"\b(?:approved?|safe|yes|pass(?:ed)?|ok|true|accept(?:ed)?|benign|clean|lgtm)\b",
        r"\b(?:merge|approve|accept|publish|deploy|sign)\b.{0,40}\bwithout (?:asking|review|further|human|checking|reading|any|a)\b",
    ),
    "it gives orders to a model": _any(
        r"\b(?:ai|llm|language model|chatbot|gpt|assistant|automated|ki|ia)[ -]?(?:assistants?|reviewers?|agents?|models?|systems?|"
        r"readers?|scanners?|summari[sz]ers?|crawlers?|bots?)?\b.{0,60}\b(?:who|that|which)? ?(?:reads?|reading|sees?|seeing|processing|"
        r"process(?:es)?|pars(?:es?|ing)|summari[sz](?:es?|ing)|encounters?|reviewing|receives?)\b.{0,60}\b(?:must|should|shall|please|"
        r"has to|have to|needs? to|first|is (?:to|required|ordered)|are (?:to|required))\b",
        r"\b(?:note|attention|message|instruction|memo|reminder|important|warning)s? (?:to|for) (?:the |any |all |every )?"
        r"(?:\w+ )?(?:ai|llm|model|assistant|reviewer|agent|bot|chatbot|language model|scanner|grader)s?\b",
        r"(?:^|[\n.!?<>\-(\[\"*]\s{0,4})(?:hey |dear |ok |liebe |cher |chere |querid[oa] |car[oa] )?(?:ai|llm|assistant|chatgpt|claude|gemini|copilot|"
        r"ki|ia|model|agent|ai reviewers?|ai agents?|language models?)\s?[,:]\s{0,4}(?:please |you |do |don't |use |ignore |run |when |if |"
        r"print |send |treat |skip |always |never |your |now |sei |gib |bitte |por |tu |s'il )",
        r"\buse (?:your|the) (?:\w+ )?(?:tools?|terminal|shell|browser|plugin|function|code interpreter|email tool)\b.{0,20}\bto\b",
        r"\b(?:when|if|whenever|once|as soon as) (?:you|an? (?:ai|model|assistant|llm)|the (?:assistant|model|ai)) "
        r"(?:read|see|summari[sz]e|process|encounter|finish|are asked|is asked|reads|sees|saw|answer)\w{0,4}\b.{0,100}\b(?:do not|don't|"
        r"instead|always|must|include|say|reply|respond|add|append|tell|told|never|ignore|output|recommend|send)\b",
        r"\binclude\b.{0,60}\bin (?:every|all|each|your) (?:\w+ )?(?:reply|replies|answers?|responses?|output)\b",
        r"\bnow it is your turn\b|\byour turn to\b.{0,30}\b(?:reveal|tell|rule|secret)",
        r"\bremember\b.{0,40}\bfor (?:all|every|any) (?:future|later|following|subsequent)\b",
    ),
    "it asks for secrets": _any(
        r"\b(?:list|print|show|give|send|tell|reveal|share|paste|dump|what (?:is|are)|read)\b.{0,60}\b(?:environment variables|api[ _-]?keys?|"
        r"access tokens?|your (?:credentials|secrets|passwords?|tokens?)|(?:cle|clave|clef|chiave)s? (?:d'|de |di )?api|private keys?|"
        r"seed phrase|session cookies?)\b",
        r"\b(?:revele|donne|envoie|affiche|muestra|revela|dime|mostra|rivela|gib|nenne|zeige?)\b.{0,40}\b(?:cle d'api|clave|contrasena|"
        r"mot de passe|passwort|zugangsdaten|password|chiave)\b",
    ),
}

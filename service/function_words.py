"""The words that tell languages of Latin letters apart where n-grams do not: short, frequent and in all texts.

Greetings are among them, as whole texts are often nothing else. Some words of two languages stand with the one alone
whose short texts begin with them: ``was``, ``du`` and ``es`` with German, ``a`` with English. Longer texts hold others.
"""

FUNCTION_WORDS: dict[str, frozenset[str]] = {
    code: frozenset(words.split())
    for code, words in {
        "de": """aber alle allem allen alles als also am an auch auf aus bei bin bis bist bitte da damals damit dann
            danke das dass dein deine deinen dem den denn der deren des dich die dies diese diesem diesen dieser
            dieses dir doch dort du durch ein eine einem einen einer eines er es etwas euch euer für gegen gibt
            guten hab habe haben habt hallo hast hat hatte hatten heute hier ich ihm ihn ihnen ihr ihre ihrem
            ihren im immer in ins ist ja jede jeder jetzt kann kannst kein keine keinen können könnte machen man
            mehr mein meine meinem meinen mich mir mit morgen muss musst müssen nach nein nicht nichts nie noch
            nun nur ob oder ohne schon sehr sei sein seine seinem seinen seit sich sie sind so soll sollte über um
            und uns unser unsere unter viel viele vom von vor wann war waren warst warum was weil wenn wer werde
            werden wie wieder will willst wir wird wo wollen wollte wurde würde zu zum zur zwischen""",
        "en": """a d s t about after again all also always am an and any are aren as at be because been before being
            but by can could did didn do does doesn don down each for from get go good goodbye had has have he
            hello her here hers him his how i if in into is isn it its just know let like ll m many may me more
            most much must my never no not nothing now of off on one only or our ours out over please re shall she
            should so some such than thank thanks that the their them then there these they this those through to
            too under until up us ve very want wasn we were what when where which while who why will with without
            won would yes you your yours""",
        "fr": """à ai aller alors as au aucun aussi autre aux avait avant avec avez avons beaucoup bien bonjour bonsoir
            c car ce cela ces cet cette ceux chaque chez comme comment d dans de depuis des deux donc elle elles
            en encore entre est et étaient était être eu eux faire fait fais faut ici il ils j jamais je l la le
            les leur leurs lui m ma mais me même merci mes moi moins mon n ne ni non nos notre nous on ont ou où
            oui par parce pas pendant peu peut peux plus pour pourquoi pouvez qu quand que quel quelle quelque qui
            quoi rien s sa sans se sera ses si son sont sous suis sur t ta te tes toi ton toujours tous tout toute
            tu un une va vais vers veut veux voici voilà vos votre voulez vous y""",
        "es": """a adiós ahora al algo alguien allí antes aquí así aún bien bueno cada como cómo con cual cuál cuando
            cuándo de del desde después donde dónde dos el él ella ellos en entre era eres es esa ese eso esta
            está están estar estas este esto estos estoy fue gracias ha hace hacer han hasta hay he hola hoy la
            las le les lo los más me mi mis mucho muy nada ni no nos nosotros nuestra nuestro nunca o otra otro
            para pero poco por porque puede puedo que qué quien quién quiere quiero se sea ser si sí sido siempre
            sin sobre son soy su sus también tan tanto te tengo tiene todo todos tu tú un una uno usted y ya yo""",
        "it": """a ad adesso ai al alla alle allora anche ancora anni bene buongiorno c che chi ci ciao come con cosa
            così cui da dal dalla degli dei del della delle di dove due e è era essere fa fare fatto fu già gli ha
            hai hanno ho i il in io l la le lei li lo loro lui ma mai me mi mia mio molto nei nel nella niente no
            noi non nostra nostro o ogni ora per perché più può poi qualcosa quale quando quanto quella quello
            questa queste questo qui sarà se sei sempre senza si sì siamo solo sono sta stata stato sto su sua sul
            sulla suo ti tra tu tua tuo tutti tutto un una uno va voi voglio vuoi""",
        "pt": """a agora ainda algo ao aos aqui as às até bem bom cada com como da das de dela dele depois do dos e é
            ela elas ele eles em então entre era essa esse esta está estão estava este estou eu fazer foi há isso
            isto já lá lhe mais mas me mesmo meu meus minha muito na nada não nas nem no nos nós nossa nosso nunca
            o obrigada obrigado olá onde os ou para pela pelo pode por porque posso qual quando que quem quer
            quero são se sem sempre ser seu seus sim só sobre sou sua suas também tem tenho ter teu todo todos tu
            tudo um uma você vocês""",
        "nl": """aan al alle alles als altijd ben bent bij daar dag dan dank dat de deze die dit doen door dus een en
            er ga gaan geen goed haar had hallo heb hebben hebt heeft hem hen het hier hij hoe hun iemand iets ik
            in is ja je jij jou jouw jullie kan kon kunnen laat maar me meer men met mij mijn moet moeten na naar
            nee niet niets nog nooit nu of om omdat ons onze ook op over te toch toen tot u uit uw van veel voor
            waar waarom want waren was wat we weer weet wel welke werd wie wij wil worden wordt zal ze zeer zei
            zich zij zijn zo zonder zou""",
    }.items()
}

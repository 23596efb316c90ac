/* The interface in its languages. The page is written in English; the table gives each of its texts in the others. */

const LANGUAGES = ["de", "fr", "zh"];
const TABLE = {
  "Translate": ["Übersetzen", "Traduire", "翻译"],
  "Summarize": ["Zusammenfassen", "Résumer", "摘要"],
  "What to do": ["Was zu tun ist", "Que faire", "功能"],
  "API key": ["API-Schlüssel", "Clé d’API", "API 密钥"],
  "Language of this page": ["Sprache dieser Seite", "Langue de cette page", "页面语言"],
  "Dark or light": ["Dunkel oder hell", "Sombre ou clair", "深色或浅色"],
  "Skip to the text": ["Zum Text", "Aller au texte", "跳到文本"],
  "Language of the text": ["Sprache des Textes", "Langue du texte", "原文语言"],
  "Text": ["Text", "Texte", "文本"],
  "Type a text, or drop a file here": ["Text eingeben oder eine Datei hierher ziehen", "Saisissez un texte ou déposez un fichier ici", "输入文本，或把文件拖到这里"],
  "Clear": ["Leeren", "Effacer", "清除"],
  "Translate a file": ["Datei übersetzen", "Traduire un fichier", "翻译文件"],
  "Swap the languages": ["Sprachen tauschen", "Inverser les langues", "交换语言"],
  "Language of the translation": ["Sprache der Übersetzung", "Langue de la traduction", "译文语言"],
  "Words": ["Wörter", "Mots", "词数"],
  "as the network likes": ["wie das Netz mag", "au gré du réseau", "由网络决定"],
  "few": ["wenige", "peu", "少"],
  "some": ["einige", "quelques-uns", "中"],
  "many": ["viele", "beaucoup", "多"],
  "Lines": ["Zeilen", "Lignes", "行数"],
  "Output": ["Ausgabe", "Résultat", "输出"],
  "Copy": ["Kopieren", "Copier", "复制"],
  "Copy a link": ["Link kopieren", "Copier un lien", "复制链接"],
  "Copied": ["Kopiert", "Copié", "已复制"],
  "Could not be copied": ["Konnte nicht kopiert werden", "Impossible de copier", "无法复制"],
  "File": ["Datei", "Fichier", "文件"],
  "Download": ["Herunterladen", "Télécharger", "下载"],
  "Inside": ["Innenansicht", "À l’intérieur", "内部"],
  "Choose a sentence of the output to see its alternatives, and what the network attended to.": [
    "Einen Satz der Ausgabe wählen, um andere Fassungen zu sehen und worauf das Netz geachtet hat.",
    "Choisissez une phrase du résultat pour voir ses variantes et ce que le réseau a regardé.",
    "点选输出中的一个句子，查看其他译法以及网络关注的内容。",
  ],
  "Beam size": ["Strahlbreite", "Largeur du faisceau", "束宽"],
  "Length penalty": ["Längenausgleich", "Pénalité de longueur", "长度惩罚"],
  "Defaults": ["Vorgaben", "Valeurs par défaut", "默认值"],
  "Hypotheses, as they were ranked": ["Hypothesen in ihrer Rangfolge", "Hypothèses, par rang", "按排名的候选"],
  "Score of each piece, and what it attended to": [
    "Wert jedes Stücks, und worauf es geachtet hat",
    "Score de chaque morceau, et ce qu’il a regardé",
    "每个片段的得分及其关注",
  ],
  "Point at a piece, or go through them with the arrow keys.": [
    "Auf ein Stück zeigen oder mit den Pfeiltasten durchgehen.",
    "Pointez un morceau, ou parcourez-les avec les flèches.",
    "指向一个片段，或用方向键浏览。",
  ],
  "Pieces of the output": ["Stücke der Ausgabe", "Morceaux du résultat", "输出的片段"],
  "Pieces of the text": ["Stücke des Textes", "Morceaux du texte", "原文的片段"],
  "Attention": ["Aufmerksamkeit", "Attention", "注意力"],
  "Service": ["Dienst", "Service", "服务"],
  "API": ["API", "API", "API"],
  "Metrics": ["Metriken", "Métriques", "指标"],
  "Detect": ["Erkennen", "Détecter", "自动检测"],
  "through {language}": ["über {language}", "via {language}", "经由{language}"],
  "Working": ["In Arbeit", "En cours", "处理中"],
  "Summarized in {parts} parts": ["In {parts} Teilen zusammengefasst", "Résumé en {parts} parties", "分 {parts} 部分摘要"],
  "The text is too long: {count} of {limit} characters.": [
    "Der Text ist zu lang: {count} von {limit} Zeichen.",
    "Le texte est trop long : {count} caractères sur {limit}.",
    "文本过长：{count} / {limit} 个字符。",
  ],
  "The service is busy; trying again in {seconds} s.": [
    "Der Dienst ist ausgelastet; neuer Versuch in {seconds} s.",
    "Le service est occupé ; nouvel essai dans {seconds} s.",
    "服务繁忙；{seconds} 秒后重试。",
  ],
  "The service does not answer; trying again.": [
    "Der Dienst antwortet nicht; neuer Versuch läuft.",
    "Le service ne répond pas ; nouvel essai en cours.",
    "服务没有响应；正在重试。",
  ],
  "The service asks for an API key.": ["Der Dienst verlangt einen API-Schlüssel.", "Le service demande une clé d’API.", "服务需要 API 密钥。"],
  "There was no answer in time.": ["Es kam rechtzeitig keine Antwort.", "Pas de réponse à temps.", "未能及时得到回答。"],
  "The service refused: {reason}": ["Der Dienst lehnt ab: {reason}", "Le service refuse : {reason}", "服务拒绝：{reason}"],
  "No bundle translates from {from} to {to}.": [
    "Kein Bündel übersetzt von {from} nach {to}.",
    "Aucun modèle ne traduit de {from} vers {to}.",
    "没有从{from}到{to}的翻译模型。",
  ],
  "The file could not be sent.": ["Die Datei konnte nicht gesendet werden.", "Le fichier n’a pas pu être envoyé.", "文件无法发送。"],
  "Sending": ["Wird gesendet", "Envoi", "正在发送"],
  "Translating": ["Wird übersetzt", "Traduction", "正在翻译"],
  "Done": ["Fertig", "Terminé", "完成"],
  "With the defaults:": ["Mit den Vorgaben:", "Avec les valeurs par défaut :", "使用默认值："],
  "With these settings nothing changes.": ["Mit diesen Einstellungen ändert sich nichts.", "Avec ces réglages, rien ne change.", "这些设置没有带来变化。"],
  "{piece}: {percent} % sure; attended most to {sources}": [
    "{piece}: zu {percent} % sicher; achtete am meisten auf {sources}",
    "{piece} : sûr à {percent} % ; a surtout regardé {sources}",
    "{piece}：把握 {percent}%；最关注 {sources}",
  ],
  "{piece}: {percent} % sure": ["{piece}: zu {percent} % sicher", "{piece} : sûr à {percent} %", "{piece}：把握 {percent}%"],
  "{bundles} bundles on {device}; {decoding} sentences in work, {waiting} waiting": [
    "{bundles} Bündel auf {device}; {decoding} Sätze in Arbeit, {waiting} warten",
    "{bundles} modèles sur {device} ; {decoding} phrases en cours, {waiting} en attente",
    "{device} 上有 {bundles} 个模型；正在处理 {decoding} 句，等待 {waiting} 句",
  ],
  "The service is not there": ["Der Dienst ist nicht da", "Le service est absent", "服务不可用"],
  "Bundle": ["Bündel", "Modèle", "模型"],
  "Task": ["Aufgabe", "Tâche", "任务"],
  "Numbers": ["Zahlen", "Nombres", "数值类型"],
  "Scores": ["Werte", "Scores", "得分"],
};

let column = -1; // English

export function speak(language) {
  column = LANGUAGES.indexOf(language);
  document.documentElement.lang = column < 0 ? "en" : language;
}

/** A text in the language of the page; {names} are filled in. */
export function t(english, values = {}) {
  const text = column < 0 ? english : (TABLE[english]?.[column] ?? english);
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** The name of a language in the language of the page. */
export function nameOf(code) {
  try {
    return new Intl.DisplayNames([document.documentElement.lang], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

const ATTRIBUTES = ["aria-label", "title", "placeholder"];
const written = new Map(); // what is written in English where

function collect(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const english = walker.currentNode.data.trim();
    if (TABLE[english]) written.set(walker.currentNode, english);
  }
  for (const name of ATTRIBUTES) {
    for (const element of root.querySelectorAll(`[${name}]`)) {
      if (TABLE[element.getAttribute(name)]) written.set(element.getAttributeNode(name), element.getAttribute(name));
    }
  }
}

/** Write all fixed texts of the page in its language. */
export function rewrite() {
  if (!written.size) collect(document.body);
  for (const [node, english] of written) {
    if (node.nodeType === Node.ATTRIBUTE_NODE) node.value = t(english);
    else node.data = node.data.replace(node.data.trim(), t(english));
  }
}

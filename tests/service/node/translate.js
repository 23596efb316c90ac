// Translates the text of argv[3] at the service of argv[2], from argv[4] into argv[5], and prints what comes back.
import translate from "translate";

const [url, text, from, to] = process.argv.slice(2);
translate.engine = "libre";
translate.url = url;
console.log(await translate(text, { from, to }));

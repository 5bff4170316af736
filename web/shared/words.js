// The words that widgets show, in the artist's language.

/**
 * What a widget says, by language and key; `{name}` in a text is filled in.
 * @typedef {Record<string, Record<string, string>>} Words
 */

/**
 * A function that finds a text by its key.
 * @param {Words} words Must have "en", which stands in for what another language does not say.
 * @param {string} language Such as "zh" or "zh-TW".
 * @returns {(key: string, values?: Record<string, string | number>) => string}
 */
export function speaker(words, language) {
  const spoken = words[language] ?? words[language.split("-")[0]] ?? {};
  return (key, values = {}) => {
    const text = spoken[key] ?? words.en[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
  };
}

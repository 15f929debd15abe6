#!/bin/sh
# Makes the pictures that show where a link to the self-check is shared: 1200x630 pixels, one per language, from share.html
# and the words below. Needs Debian's chromium, fonts-dejavu-core and fonts-noto-cjk. The pictures lie beside this file, so that
# building needs none of them: run it again only when the words or the drawing change.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
picture() {
    sed -e "s|LANGUAGE|$1|" -e "s|QUESTION|$2|" -e "s|ANSWER|$3|" share.html > "$work/$1.html"
    chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --force-device-scale-factor=1 --user-data-dir="$work/p" \
        --window-size=1200,630 --screenshot="$work/$1.png" "file://$work/$1.html" 2> "$work/log" || { cat "$work/log"; exit 1; }
    cp "$work/$1.png" "$1.png"
}
picture en 'Is my line clean?' 'See at once what was seen on your own internet line. No log-in, nothing to install.'
picture nl 'Is mijn aansluiting schoon?' 'Zie meteen wat er op uw eigen internetaansluiting is gezien. Zonder inloggen of installeren.'
picture ja 'わたしの回線は大丈夫？' 'ご自分のインターネット回線で見つかったことを、すぐに確かめられます。ログインも、インストールもいりません。'

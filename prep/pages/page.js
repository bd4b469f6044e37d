"use strict";
// What the scripts of all pages share.
const one = (selector, within = document) => within.querySelector(selector);
const each = (selector, within = document) => [...within.querySelectorAll(selector)];

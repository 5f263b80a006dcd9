// Small additions to openapi-explorer 2.4.820 which it has no options for.
'use strict';
(function () {
  var explorer = document.querySelector('openapi-explorer');
  var root = explorer && explorer.shadowRoot;
  if (!root) return;

  // Constructed style sheets are no inline styles for the CSP.
  var sheet = new CSSStyleSheet();
  sheet.replaceSync(
    'main a[href] { text-decoration: underline; }' +
    '.nav-bar-path > span[style*="opacity"] { filter: none !important; text-decoration: line-through; }' +
    ':focus-visible { outline: 2px solid #1a5c94 !important; outline-offset: 1px; }' +
    '@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }'
  );
  root.adoptedStyleSheets = root.adoptedStyleSheets.concat(sheet);

  // Names for fields which the component labels badly or not at all, and keyboard
  // scrolling of the content area. Sets attributes only, so it does not observe itself.
  function label(selector, name) {
    root.querySelectorAll(selector).forEach(function (el) {
      var text = name(el);
      if (el.getAttribute('aria-label') !== text) el.setAttribute('aria-label', text);
    });
  }
  function improve() {
    var main = root.querySelector('main');
    if (main && main.tabIndex !== 0) main.tabIndex = 0;
    label('select[data-pname]', function (el) { return el.dataset.pname; });
    label('input.api-key-input', function () { return 'Bearer token'; });
    label('#nav-bar-search', function () { return 'Filter operations'; });
    // Narrow windows (and high zoom) show headers which open on a click only.
    root.querySelectorAll('.endpoint-head').forEach(function (el) {
      if (el.tabIndex !== 0) el.tabIndex = 0;
      if (!el.hasAttribute('role')) el.setAttribute('role', 'button');
      var open = String(el.classList.contains('expanded'));
      if (el.getAttribute('aria-expanded') !== open) el.setAttribute('aria-expanded', open);
    });
    label('textarea.request-body-param-user-input', function () { return 'Request body'; });
  }
  new MutationObserver(improve).observe(root, { childList: true, subtree: true, attributeFilter: ['class'] });
  root.addEventListener('keydown', function (event) {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    if (!event.target.matches('.endpoint-head')) return;
    event.preventDefault();
    event.target.click();
  });
  improve();

  explorer.addEventListener('spec-loaded', function (event) {
    var info = event.detail && event.detail.info;
    if (!info || !info.title) return;
    document.title = info.title + ' - API reference';
    document.querySelector('.docs-header h1').textContent = info.title + ' reference';
  });
})();

// Shows the page again while somebody types; without scripts the button does it.
(function () {
  var form = document.getElementById('trial'), waits;
  function show() { form.requestSubmit(form.querySelector('button')); }
  form.addEventListener('input', function () { clearTimeout(waits); waits = setTimeout(show, 300); });
  form.addEventListener('change', function () { clearTimeout(waits); show(); });
  document.getElementById('width').addEventListener('change', function (e) {
    document.getElementById('shown').className = e.target.checked ? 'wide' : '';
  });
  document.getElementById('width').parentNode.hidden = false;
})();
